# Tests against a real nginx, and the nginx builds that they need.

ASAN_CFLAGS  := -O1 -g -fno-omit-frame-pointer -DNGX_DEBUG_PALLOC=1 \
                -fsanitize=address,undefined -fno-sanitize=alignment \
                -fno-sanitize=pointer-overflow,nonnull-attribute \
                -Wno-error=maybe-uninitialized
ASAN_LDFLAGS := -fsanitize=address,undefined

VALGRIND_CFLAGS := -O1 -g -fno-omit-frame-pointer -DNGX_DEBUG_PALLOC=1 \
                   -Wno-error=maybe-uninitialized

PROVE        := prove -I t/lib --timer -j $(JOBS)
TESTS        ?= $(sort $(wildcard t/*.t t/checks/*.t))

# what runs against the nginx of a newer suite
SMOKE        := t/00-config.t t/10-endpoint.t t/20-auth.t t/30-tls.t \
                t/31-virtual-servers.t t/46-status.t t/51-cache.t \
                t/52-flights.t t/57-realip.t t/59-private-link.t t/80-reload.t

# what runs under valgrind: each room of the module has its part in these
MEMCHECK     := t/12-startup.t t/21-channel-binding.t t/40-control-http.t \
                t/22-cleartext-cache.t t/69-websocket-tunnel.t t/85-cancel.t

export BUILD

.PHONY: test prove asan prove-asan valgrind newer prove-newer

test:                     ## everything that CI runs; needs the network once
	+@mk/test.sh

prove: module             ## t/*.t, t/checks/*.t: Debian's nginx (TESTS=, JOBS=)
	$(PROVE) $(TESTS)

asan:                     ## nginx with the module, ASan and UBSan
	@mk/source.pl nginx same $(BUILD)/nginx-same
	+@mk/build-nginx.sh --out $(BUILD)/asan --src $(BUILD)/nginx-same/src \
	    --static --cc gcc --cflags '$(ASAN_CFLAGS)' \
	    --ldflags '$(ASAN_LDFLAGS)'
	@echo "$(BUILD)/asan/nginx"

prove-asan: asan          ## the same against the sanitizer build
	NEON_NGINX=$(BUILD)/asan/nginx NEON_MODULE= NEON_STREAM_MODULE= \
	    $(PROVE) $(TESTS)

# with what nginx logs when it debugs, whose arguments are read by nothing else

valgrind:                 ## some t/*.t under valgrind, with the debug log
	@mk/source.pl nginx same $(BUILD)/nginx-same
	+@mk/build-nginx.sh --out $(BUILD)/valgrind \
	    --src $(BUILD)/nginx-same/src --static --cc gcc \
	    --cflags '$(VALGRIND_CFLAGS)'
	NEON_VALGRIND=$(BUILD)/valgrind/nginx NEON_DEBUG=1 NEON_MODULE= \
	    NEON_NGINX=$(TOP)/t/lib/valgrind.sh NEON_STREAM_MODULE= \
	    $(PROVE) $(filter $(MEMCHECK),$(TESTS))

newer:                    ## the newest nginx of the mirror, dynamic and static
	@mk/source.pl nginx newer $(BUILD)/nginx-newer
	+@mk/build-nginx.sh --out $(BUILD)/newer \
	    --src $(BUILD)/nginx-newer/src --nginx
	+@mk/build-nginx.sh --out $(BUILD)/newer-static \
	    --src $(BUILD)/nginx-newer/src --static
	@echo "$(BUILD)/newer/nginx $(BUILD)/newer-static/nginx"

prove-newer: newer        ## some t/*.t against the newer nginx
	NEON_NGINX=$(BUILD)/newer/nginx NEON_STREAM_MODULE= \
	    NEON_MODULE=$(BUILD)/newer/ngx_neon_proxy_module.so \
	    $(PROVE) $(filter $(SMOKE),$(TESTS))
	NEON_NGINX=$(BUILD)/newer-static/nginx NEON_STREAM_MODULE= \
	    NEON_MODULE= $(PROVE) $(filter $(SMOKE),$(TESTS))
