# The proxy beside others of its kind.

BENCH     := $(BUILD)/bench
BENCHARGS ?=

.PHONY: bench

# each session takes two descriptors of a proxy

bench: module             ## beside other proxies (BENCHARGS=)
	@mk/deps.sh build demo test bench
	@mkdir -p $(BENCH)
	@ulimit -n $$(ulimit -H -n); \
	    t/bench/peers.pl --svg $(BENCH)/peers.svg $(BENCHARGS) \
	        | tee $(BENCH)/peers.md
	@echo
	@echo "$(BENCH)/peers.md $(BENCH)/peers.svg"
