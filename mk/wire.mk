# wire/ alone: its unit tests (cmocka).

WIRE      := ngx_neon_proxy_module/wire
WIRE_SRCS := $(sort $(wildcard $(WIRE)/*.c))
WIRE_HDRS := $(wildcard $(WIRE)/*.h t/unit/*.h t/fuzz/*.h)

WIRE_WARN := -std=c99 -Wall -Wextra -Wconversion -Werror
TEST_WARN := -std=gnu99 -Wall -Wextra -Wno-unused-parameter -Werror
SANITIZE  := -g -O1 -fno-omit-frame-pointer -fno-sanitize-recover=all \
             -fsanitize=address,undefined

UNIT_DIR   = $(BUILD)/unit-$(notdir $(CC))
UNIT_TESTS = $(patsubst t/unit/%.c,$(UNIT_DIR)/%, \
                 $(sort $(wildcard t/unit/test_*.c)))
UNIT_OBJS  = $(patsubst $(WIRE)/%.c,$(UNIT_DIR)/%.o,$(WIRE_SRCS))

.PHONY: unit
.SECONDARY: $(UNIT_OBJS)

unit: $(UNIT_TESTS)       ## unit tests of wire/ under ASan and UBSan (CC=)
	@set -e; for t in $(UNIT_TESTS); do \
	    $$t > $$t.log 2>&1 || { cat $$t.log; echo "$$t failed"; exit 1; }; \
	    grep -h 'PASSED' $$t.log | sed "s|^|$$(basename $$t): |"; \
	done

$(UNIT_DIR)/%.o: $(WIRE)/%.c $(WIRE_HDRS) | $(UNIT_DIR)
	@echo "  $(CC) $(notdir $@)"
	@$(CC) $(WIRE_WARN) $(SANITIZE) -I$(WIRE) -c -o $@ $<

$(UNIT_DIR)/%: t/unit/%.c $(UNIT_OBJS) $(WIRE_HDRS) | $(UNIT_DIR)
	@echo "  $(CC) $(notdir $@)"
	@$(CC) $(TEST_WARN) $(SANITIZE) -I$(WIRE) -It/unit -o $@ $< \
	    $(UNIT_OBJS) -lcmocka -lcrypto

$(UNIT_DIR):
	@mkdir -p $@
