# The module: for Debian's nginx (nginx-dev), or for NGINX_SRC=dir.

.PHONY: all module module-clang

ifdef NGINX_SRC

all: module-src

.PHONY: module-src

module-src:
	+@mk/build-nginx.sh --out $(BUILD)/src --src $(NGINX_SRC) --cc $(CC) \
	    $(if $(filter-out 0 no,$(STATIC)),--static) \
	    --cflags '$(CFLAGS)' --ldflags '$(LDFLAGS)'
	@echo "$(BUILD)/src/$(if $(filter-out 0 no,$(STATIC)),nginx,$(notdir \
	    $(MODULE)))"

else

all: module               ## the module for Debian's nginx, or NGINX_SRC=dir

endif

# by rename: an nginx that runs with the old file keeps it

module:
	+@mk/build-nginx.sh --out $(BUILD)/$(notdir $(CC)) --cc $(CC) \
	    --cflags '$(CFLAGS)' --ldflags '$(LDFLAGS)'
	@cmp -s $(BUILD)/$(notdir $(CC))/$(notdir $(MODULE)) $(MODULE) \
	    || { cp -p $(BUILD)/$(notdir $(CC))/$(notdir $(MODULE)) \
	            $(MODULE).new && mv -f $(MODULE).new $(MODULE); }
	@echo "$(MODULE)"

module-clang:
	+@mk/build-nginx.sh --out $(BUILD)/clang --cc $(CLANG)
	@echo "$(BUILD)/clang/$(notdir $(MODULE))"
