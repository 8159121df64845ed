# shm/ without a server: over nginx's own slab, lock and log, which come as an
# archive of its core.  asan/: with ASan and UBSan; plain/: as it is run, for
# what is measured, and for what kills processes.

SHM_DIR    = $(BUILD)/shm-$(notdir $(CC))
SHM       := ngx_neon_proxy_module/shm
SHM_INCS  := $(addprefix -Ingx_neon_proxy_module/,wire base shm) -It/unit/shm
SHM_HDRS  := $(wildcard $(addsuffix /*.h,$(WIRE) ngx_neon_proxy_module/base \
                 $(SHM) t/unit/shm))
SHM_OBJS  := $(notdir $(patsubst %.c,%.o,$(WIRE_SRCS) $(wildcard $(SHM)/*.c)))
SHM_CORE  := $(BUILD)/nginx-same/src

SHM_WARN  := -std=gnu99 -Wall -Wextra -Wno-unused-parameter -Werror
SHM_asan  := -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all \
             -fsanitize=address,undefined \
             -fno-sanitize=alignment,pointer-overflow,nonnull-attribute
SHM_plain := -O2 -g

SHM_TESTS  = $(sort $(notdir $(patsubst %.c,%,$(wildcard \
                 t/unit/shm/test_*.c))))
SHM_KILLS := test_crash test_kill

# the slab calls of the code under test go through t/unit/shm/shm.c
SHM_WRAP  := -Wl,--wrap=ngx_slab_alloc_locked,--wrap=ngx_slab_calloc_locked \
             -Wl,--wrap=ngx_slab_free_locked

SHM_RUN    = $(foreach t,$(SHM_TESTS),$(SHM_DIR)/$(if $(filter \
                 $(SHM_KILLS),$t),plain,asan)/$t)

.PHONY: unit-shm bench-shm

unit-shm: $(SHM_RUN)      ## tests of shm/ over nginx's slab and lock (CC=)
	@set -e; for t in $(SHM_RUN); do \
	    $$t > $$t.log 2>&1 || { cat $$t.log; echo "$$t failed"; exit 1; }; \
	    grep -h 'PASSED\|^# ' $$t.log | sed "s|^|$$(basename $$t): |"; \
	done

bench-shm: $(SHM_DIR)/plain/bench
bench-shm:                ## what the operations of shm/ cost
	@$<

$(SHM_CORE)/configure:
	@mk/source.pl nginx same $(BUILD)/nginx-same

# the module's part, as an archive, too: a test may include one of its files

define SHM_RULES

$(SHM_DIR)/$1/nginx.a: $(SHM_CORE)/configure mk/build-core.sh
	@echo "  $$(CC) nginx's core, $1"
	+@mk/build-core.sh --src $(SHM_CORE) --out $$(@D) --cc $$(CC) \
	    --cflags '$(SHM_$1)'

.SECONDARY: $(addprefix $(SHM_DIR)/$1/,$(SHM_OBJS) shm.o shm_check.o \
    $(addsuffix .o,$(SHM_TESTS)))

$(SHM_DIR)/$1/%.o: $(WIRE)/%.c $(SHM_HDRS) | $(SHM_DIR)/$1/nginx.a
	@$$(CC) $$(SHM_WARN) $$(SHM_$1) -I$(WIRE) -c -o $$@ $$<

$(SHM_DIR)/$1/%.o: $(SHM)/%.c $(SHM_HDRS) | $(SHM_DIR)/$1/nginx.a
	@echo "  $$(CC) $1/$$(notdir $$@)"
	@$$(CC) $$(SHM_WARN) $$(SHM_$1) $$$$(cat $(SHM_DIR)/$1/incs) \
	    $(SHM_INCS) -c -o $$@ $$<

$(SHM_DIR)/$1/%.o: t/unit/shm/%.c $(SHM_HDRS) | $(SHM_DIR)/$1/nginx.a
	@$$(CC) $$(SHM_WARN) $$(SHM_$1) $$$$(cat $(SHM_DIR)/$1/incs) \
	    $(SHM_INCS) -I$(SHM) -c -o $$@ $$<

$(SHM_DIR)/$1/neon.a: $(addprefix $(SHM_DIR)/$1/,$(SHM_OBJS))
	@rm -f $$@
	@ar rcs $$@ $$^

$(SHM_DIR)/$1/test_%: $(addprefix $(SHM_DIR)/$1/,test_%.o shm.o \
    shm_check.o neon.a nginx.a)
	@echo "  $$(CC) $1/$$(notdir $$@)"
	@$$(CC) $$(SHM_$1) $$(SHM_WRAP) -o $$@ $$(filter-out %/nginx.a,$$^) \
	    $(SHM_DIR)/$1/nginx.a -lcmocka -lcrypto -lcrypt -lpthread -ldl

endef

$(eval $(call SHM_RULES,asan))
$(eval $(call SHM_RULES,plain))

$(SHM_DIR)/plain/bench: t/bench/shm.c $(SHM_HDRS) \
    $(addprefix $(SHM_DIR)/plain/,neon.a nginx.a)
	@echo "  $(CC) $(notdir $@)"
	@$(CC) $(SHM_WARN) $(SHM_plain) $$(cat $(SHM_DIR)/plain/incs) \
	    $(SHM_INCS) -Wl,--wrap=ngx_neon_zone_lock -o $@ $< \
	    $(SHM_DIR)/plain/neon.a \
	    $(SHM_DIR)/plain/nginx.a -lcrypto -lcrypt -lpthread -ldl
