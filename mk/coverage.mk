# Which lines t/*.t run: gcov's data, written by each worker
# as it exits, and lcov's report of them.

COVERAGE        := $(BUILD)/coverage
COVERAGE_CFLAGS := --coverage -O0 -U_FORTIFY_SOURCE -fprofile-update=atomic
LCOV            := lcov --quiet --rc lcov_branch_coverage=1

.PHONY: coverage

# a test that failed leaves its data all the same, and is said at the end

coverage:                 ## lines and branches that t/*.t run: an lcov report
	@mk/deps.sh build demo test coverage
	+@mk/build-nginx.sh --out $(COVERAGE) --cc gcc \
	    --cflags '$(COVERAGE_CFLAGS)' --ldflags '--coverage'
	@find $(COVERAGE) -name '*.gcda' -delete
	@NEON_MODULE=$(COVERAGE)/$(notdir $(MODULE)) $(PROVE) $(TESTS); \
	    echo $$? > $(COVERAGE)/status
	@$(LCOV) --capture --directory $(COVERAGE) --base-directory $(TOP) \
	    --output-file $(COVERAGE)/all.info
	@$(LCOV) --extract $(COVERAGE)/all.info '*/ngx_neon_proxy_module/*' \
	    --output-file $(COVERAGE)/module.info
	@genhtml --quiet --branch-coverage --legend --prefix $(TOP) \
	    --output-directory $(COVERAGE)/report $(COVERAGE)/module.info
	@lcov --rc lcov_branch_coverage=1 --list $(COVERAGE)/module.info
	@echo "$(COVERAGE)/report/index.html"
	@exit $$(cat $(COVERAGE)/status)
