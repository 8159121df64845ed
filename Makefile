# ngx_neon_proxy_module: build, tests, demo.  `make help` lists the targets.

BUILD     ?= build
CC        := $(if $(filter default,$(origin CC)),gcc,$(CC))
CLANG     ?= clang
CLANG_TIDY ?= clang-tidy
FUZZ_TIME ?= 90
JOBS      ?= $(shell nproc)
PERL      ?= perl
DESTDIR   ?=

# where the module goes and how Debian's nginx finds it
MODULES_DIR           ?= /usr/lib/nginx/modules
MODULES_AVAILABLE_DIR ?= /usr/share/nginx/modules-available
MODULES_ENABLED_DIR   ?= /etc/nginx/modules-enabled

override BUILD := $(abspath $(BUILD))
TOP   := $(abspath $(dir $(firstword $(MAKEFILE_LIST))))
MODULE = $(BUILD)/ngx_neon_proxy_module.so

comma := ,
empty :=
space := $(empty) $(empty)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

include mk/module.mk
include mk/wire.mk
include mk/shm.mk
include mk/fuzz.mk
include mk/model.mk
include mk/lint.mk
include mk/test.mk
include mk/coverage.mk
include mk/bench.mk
include mk/check-pg.mk

.PHONY: help deps install demo demo-stop clean

help:                     ## this list
	@echo "make [target] [BUILD=dir] [CC=gcc|clang]"
	@echo
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  \1 \2/p' \
	    $(MAKEFILE_LIST) | while read -r name text; do \
	        printf '  %-12s %s\n' "$$name" "$$text"; done

deps:                     ## installs missing Debian and npm packages
	@mk/deps.sh

install: all              ## module and modules-enabled entry, honours DESTDIR
	install -d $(DESTDIR)$(MODULES_DIR) \
	    $(DESTDIR)$(MODULES_AVAILABLE_DIR) $(DESTDIR)$(MODULES_ENABLED_DIR)
	install -m 644 $(MODULE) $(DESTDIR)$(MODULES_DIR)/
	echo 'load_module modules/ngx_neon_proxy_module.so;' \
	    > $(DESTDIR)$(MODULES_AVAILABLE_DIR)/mod-neon-proxy.conf
	ln -sf $(MODULES_AVAILABLE_DIR)/mod-neon-proxy.conf \
	    $(DESTDIR)$(MODULES_ENABLED_DIR)/70-mod-neon-proxy.conf

demo:                     ## starts the scale-to-zero demo and runs psql
	@mk/deps.sh build demo
	@$(MAKE) --no-print-directory module
	@BUILD=$(BUILD) conf/demo/demo.sh start

demo-stop:                ## ends the demo
	@BUILD=$(BUILD) conf/demo/demo.sh stop

clean: demo-stop          ## removes everything that was built
	rm -rf $(BUILD) t/js/node_modules
