# Fuzz targets (libFuzzer): those of wire/, which need no nginx, and those that
# are linked with all of nginx and of the module.

FUZZ_DIR   = $(BUILD)/fuzz
FUZZ_WIRE  = $(patsubst t/fuzz/%.c,$(FUZZ_DIR)/%, \
                 $(sort $(wildcard t/fuzz/fuzz_*.c)))
FUZZ_OBJS  = $(patsubst $(WIRE)/%.c,$(FUZZ_DIR)/%.o,$(WIRE_SRCS))

FUZZ_NGX   = $(FUZZ_DIR)/nginx
FUZZ_NGINX = $(patsubst t/fuzz/nginx/%.c,$(FUZZ_DIR)/%, \
                 $(sort $(wildcard t/fuzz/nginx/fuzz_*.c)))
FUZZERS    = $(FUZZ_WIRE) $(FUZZ_NGINX)

# nginx's own code may: as in mk/test.mk
FUZZ_MAY  := alignment pointer-overflow nonnull-attribute function
FUZZ_SAN  := -g -O1 -fno-omit-frame-pointer -DNGX_DEBUG_PALLOC=1 \
             -fsanitize=address,undefined -fsanitize=fuzzer-no-link \
             -fno-sanitize=$(subst $(space),$(comma),$(FUZZ_MAY)) \
             -fno-sanitize-recover=all

# t/fuzz/nginx/server.c: time, chance and threads; control.c: HTTP; place.c: the
# network
FUZZ_WRAP := $(addprefix -Wl$(comma)--wrap=,ngx_single_process_cycle \
                 ngx_time_update ngx_thread_task_post ngx_neon_usec \
                 neon_random epoll_wait ngx_neon_curl_start \
                 ngx_neon_curl_cancel connect getaddrinfo)

# t/fuzz/nginx/lack.c: memory
FUZZ_LACK := $(addprefix -Wl$(comma)--wrap=,ngx_palloc ngx_pnalloc ngx_pcalloc \
                 ngx_alloc ngx_create_pool ngx_slab_alloc_locked)

.PHONY: fuzz fuzz-wire fuzz-build
.SECONDARY: $(FUZZ_OBJS) $(addprefix $(FUZZ_DIR)/,callback.o compute.o \
    control.o core.o lack.o peer.o place.o server.o session.o tls.o)

fuzz: $(FUZZERS)          ## every fuzz target, FUZZ_TIME seconds in all
	@t/fuzz/run.sh $(FUZZ_DIR) $(FUZZ_TIME) $^

fuzz-wire: $(FUZZ_WIRE)   ## those that need no nginx
	@t/fuzz/run.sh $(FUZZ_DIR) $(FUZZ_TIME) $^

fuzz-build: $(FUZZERS)

$(FUZZ_DIR)/%.o: $(WIRE)/%.c $(WIRE_HDRS) | $(FUZZ_DIR)
	@echo "  $(CLANG) $(notdir $@)"
	@$(CLANG) $(WIRE_WARN) $(SANITIZE) -fsanitize=fuzzer-no-link -I$(WIRE) \
	    -c -o $@ $<

$(FUZZ_DIR)/%: t/fuzz/%.c $(FUZZ_OBJS) $(WIRE_HDRS) | $(FUZZ_DIR)
	@echo "  $(CLANG) $(notdir $@)"
	@$(CLANG) $(TEST_WARN) $(SANITIZE) -fsanitize=fuzzer -I$(WIRE) \
	    -o $@ $< $(FUZZ_OBJS) -lcrypto

$(FUZZ_NGX)/nginx.a: $(SHM_CORE)/configure mk/build-fuzz.sh mk/build-nginx.sh \
    config $(wildcard ngx_neon_proxy_module/*/*.[ch]) | $(FUZZ_DIR)
	@echo "  $(CLANG) nginx and the module, for the fuzzer"
	+@mk/build-fuzz.sh --src $(SHM_CORE) --out $(FUZZ_NGX) --cc $(CLANG) \
	    --cflags '$(FUZZ_SAN)'

$(FUZZ_DIR)/%.o: t/fuzz/nginx/%.c $(FUZZ_NGX)/nginx.a \
    $(wildcard t/fuzz/nginx/*.h)
	@echo "  $(CLANG) $(notdir $@)"
	@$(CLANG) $(SHM_WARN) $(FUZZ_SAN) -D_GNU_SOURCE \
	    $$(cat $(FUZZ_NGX)/incs) -c -o $@ $<

$(addprefix $(FUZZ_DIR)/fuzz_,session tls websocket): \
    $(addprefix $(FUZZ_DIR)/,callback.o compute.o session.o)

$(addprefix $(FUZZ_DIR)/fuzz_,ctl_postgres session tls websocket): \
    $(FUZZ_DIR)/%: $(addprefix $(FUZZ_DIR)/,%.o control.o lack.o peer.o \
        place.o server.o tls.o)
	@echo "  $(CLANG) $(notdir $@)"
	@$(CLANG) $(FUZZ_SAN) -fsanitize=fuzzer $(FUZZ_WRAP) $(FUZZ_LACK) \
	    -o $@ $^ $(FUZZ_NGX)/nginx.a $$(cat $(FUZZ_NGX)/libs)

$(FUZZ_DIR)/%: $(FUZZ_DIR)/%.o $(FUZZ_DIR)/core.o $(FUZZ_DIR)/lack.o
	@echo "  $(CLANG) $(notdir $@)"
	@$(CLANG) $(FUZZ_SAN) -fsanitize=fuzzer $(FUZZ_LACK) -o $@ $^ \
	    $(FUZZ_NGX)/nginx.a $$(cat $(FUZZ_NGX)/libs)

$(FUZZ_DIR):
	@mkdir -p $@
