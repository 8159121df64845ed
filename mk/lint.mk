# What the code must look like, and what compilers and checkers say of it.

LINT_DIR = $(BUILD)/lint

LINTS    = $(addprefix lint-,style wire symbols hardening cppcheck analyze \
               gcc-analyzer tidy)

.PHONY: lint $(LINTS)

lint: $(LINTS)
lint:                     ## style, include rule, symbols, static checkers

lint-style:
	@$(PERL) t/lint/style.pl $(TOP)
	@$(PERL) t/lint/includes.pl $(TOP)
	@echo "style and include rule: ok"

# wire/ is C99 and needs nobody; both compilers must be content, and what it
# calls shows that it does no I/O, takes no memory and knows no time

WIRE_CALLS := ^(neon_|EVP_|HMAC|MD5_|SHA1_|SHA256_|PKCS5_|RAND_ \
              |CRYPTO_memcmp$$|OPENSSL_cleanse$$ \
              |mem(cpy|move|cmp|set|chr)$$|str(len|chr|cmp|ncmp)$$ \
              |snprintf$$|inet_pton$$|__stack_chk_fail$$ \
              |_GLOBAL_OFFSET_TABLE_$$)

lint-wire:
	@mkdir -p $(LINT_DIR)/wire
	@set -e; for cc in $(CLANG) gcc; do for f in $(WIRE_SRCS); do \
	    $$cc $(WIRE_WARN) -pedantic -O2 -I$(WIRE) -c \
	        -o $(LINT_DIR)/wire/$$(basename $$f .c).o $$f; \
	done; done
	@calls=$$(nm -A -u $(LINT_DIR)/wire/*.o | sed 's|.*/wire/||' \
	    | awk '$$NF !~ /$(subst $(space),,$(WIRE_CALLS))/'); \
	if [ -n "$$calls" ]; then \
	    echo "wire/ calls what it should not:"; echo "$$calls"; exit 1; \
	fi
	@echo "wire/ as C99 with gcc and $(CLANG): ok"

lint-symbols: module module-clang
	@t/lint/symbols.sh $(MODULE)
	@t/lint/symbols.sh $(BUILD)/clang/$(notdir $(MODULE))
	@echo "exported symbols: ok"

# with flags of one's own they are those of one's own

lint-hardening: module module-clang
	@t/lint/hardening.sh $(MODULE)
	@t/lint/hardening.sh $(BUILD)/clang/$(notdir $(MODULE))
	@echo "hardening: ok"

# nginx's own headers stay out of sight; autoVariables: its cf->ctx idiom;
# bitwiseOnBoolean: where secrets are compared, without a branch.  A cppcheck
# that knows levels leaves paths out, and says so as a finding, unless it is
# told not to.

CPPCHECK_LEVEL = $(shell cppcheck --help | grep -q -e --check-level= \
                     && echo --check-level=exhaustive)

lint-cppcheck:
	@mkdir -p $(LINT_DIR)/cppcheck
	@cppcheck --quiet -j $(JOBS) --std=c99 --language=c \
	    --enable=warning,performance,portability --inconclusive \
	    --error-exitcode=1 --inline-suppr --suppress=missingInclude \
	    --suppress=autoVariables --suppress=bitwiseOnBoolean \
	    $(CPPCHECK_LEVEL) \
	    -DNGX_PTR_SIZE=8 -Dnginx_version=1022001 \
	    --cppcheck-build-dir=$(LINT_DIR)/cppcheck \
	    $(addprefix -I,$(wildcard ngx_neon_proxy_module/*)) \
	    ngx_neon_proxy_module
	@echo "cppcheck: ok"

# these know them: with the include paths of the clang build

lint-analyze: module-clang
	@t/lint/analyze.sh $(CLANG) $(BUILD)/clang $(LINT_DIR)/analyze
	@echo "clang --analyze: ok"

lint-gcc-analyzer: module-clang
	@t/lint/analyze.sh gcc $(BUILD)/clang $(LINT_DIR)/gcc-analyzer
	@echo "gcc -fanalyzer: ok"

lint-tidy: module-clang
	@t/lint/analyze.sh $(CLANG_TIDY) $(BUILD)/clang $(LINT_DIR)/tidy
	@echo "clang-tidy: ok"
