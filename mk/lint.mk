# What the code must look like, and what compilers and checkers say of it.

LINT_DIR = $(BUILD)/lint

.PHONY: lint lint-style lint-wire lint-symbols lint-cppcheck lint-analyze

lint: lint-style lint-wire lint-symbols lint-cppcheck  ## style, checkers

lint-style:
	@$(PERL) t/lint/style.pl $(TOP)
	@$(PERL) t/lint/includes.pl $(TOP)
	@echo "style and include rule: ok"

# wire/ is C99 and needs nobody; both compilers must be content

lint-wire:
	@mkdir -p $(LINT_DIR)
	@set -e; for cc in gcc $(CLANG); do for f in $(WIRE_SRCS); do \
	    $$cc $(WIRE_WARN) -pedantic -O2 -I$(WIRE) -c \
	        -o $(LINT_DIR)/wire.o $$f; \
	done; done
	@echo "wire/ as C99 with gcc and $(CLANG): ok"

lint-symbols: module module-clang
	@t/lint/symbols.sh $(MODULE)
	@t/lint/symbols.sh $(BUILD)/clang/$(notdir $(MODULE))
	@echo "exported symbols: ok"

lint-cppcheck:
	@mkdir -p $(LINT_DIR)/cppcheck
	@cppcheck --quiet -j $(JOBS) --std=c99 --language=c \
	    --enable=warning,performance,portability --inconclusive \
	    --error-exitcode=1 --inline-suppr --suppress=missingInclude \
	    --cppcheck-build-dir=$(LINT_DIR)/cppcheck -DNGX_PTR_SIZE=8 \
	    $(addprefix -I,$(wildcard ngx_neon_proxy_module/*)) \
	    ngx_neon_proxy_module
	@echo "cppcheck: ok"
