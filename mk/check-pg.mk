# PostgreSQL's own tests, without the proxy and through it.

.PHONY: check-pg

check-pg: module          ## PostgreSQL's tests through the proxy, over TLS
	@mk/deps.sh build demo
	+@mk/check-pg.sh $(BUILD)/check-pg
	@t/pg/check.pl $(BUILD)/check-pg/src
