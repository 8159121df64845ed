/*
 * Cancel keys: who may use them, and when they are gone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "shm.h"


#define KEYS  200


static shm_t            *shm;
static ngx_neon_conf_t  *conf;
static ngx_uint_t        live;


static int
setup(void **state)
{
    shm_mode = *(shm_mode_e *) *state;
    shm_budget = 1 << 20;

    shm = shm_create(1 << 20, 1, 1);
    conf = &shm->conf[0];

    shm_claim(shm, 0);
    shm_claim(shm, 1);

    live = shm_live;

    return 0;
}


static int
teardown(void **state)
{
    shm_assert(shm);
    shm_destroy(shm);

    return 0;
}


static ngx_neon_cancel_target_t
target(ngx_uint_t n, size_t len)
{
    ngx_neon_cancel_target_t  t;

    memset(&t, 0, sizeof(t));
    memset(&t.sockaddr, (int) n, sizeof(t.sockaddr));
    memset(t.key, (int) n + 1, len);
    sprintf((char *) t.server_name, "ep-%d.example", (int) n);

    t.socklen = 16 + n % 8;
    t.ssl = NGX_NEON_SSL_REQUIRE;
    t.pid = n;
    t.len = len;

    return t;
}


static void
assert_target(const ngx_neon_cancel_target_t *t,
    const ngx_neon_cancel_target_t *expected)
{
    assert_memory_equal(t, expected,
                        offsetof(ngx_neon_cancel_target_t, key)
                        + expected->len);
}


static ngx_int_t
find_by(const ngx_str_t *link, ngx_uint_t process,
    const ngx_neon_cancel_key_t *key, const neon_ip_t *ip,
    ngx_neon_cancel_target_t *t)
{
    u_char            *copy;
    ngx_int_t          rc;
    neon_pg_cancel_t   cancel;

    /* so that ASan sees its end */

    copy = malloc(key->len ? key->len : 1);
    assert_non_null(copy);
    memcpy(copy, key->key, key->len);

    cancel.pid = key->pid;
    cancel.key = neon_str(copy, key->len);
    memset(t, 0xee, sizeof(*t));

    rc = ngx_neon_cancel_find(&shm->conf[process], &cancel, link, ip, t);

    free(copy);

    return rc;
}


static ngx_int_t
find(ngx_uint_t process, const ngx_neon_cancel_key_t *key,
    const neon_ip_t *ip, ngx_neon_cancel_target_t *t)
{
    return find_by(&shm_no_link, process, key, ip, t);
}


static neon_ip_t
ip(const char *text)
{
    uint8_t    raw[16];
    ngx_uint_t v6;
    neon_ip_t  addr;

    v6 = (strchr(text, ':') != NULL);

    assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, text, raw), 1);
    assert_int_equal(neon_ip_set(&addr, raw, v6 ? 16 : 4), NEON_OK);

    return addr;
}


/* a key of one private link is none for all others */

static void
test_link(void **state)
{
    void                      *handle, *open;
    ngx_uint_t                 i;
    ngx_neon_cancel_key_t      key, no_link;
    ngx_neon_cancel_target_t   t, found;

    static const ngx_str_t  link = ngx_string("vpce-1");
    static const ngx_str_t  others[] = {
        ngx_null_string, ngx_string("vpce-2"), ngx_string("vpce-"),
        ngx_string("vpce-11"), ngx_string("VPCE-1")
    };

    key.len = NGX_NEON_CANCEL_KEY_3_0;
    no_link.len = NGX_NEON_CANCEL_KEY_3_2;
    t = target(1, 4);

    assert_int_equal(ngx_neon_cancel_add(conf, &key, &link, &t, NULL, 0,
                                         &handle),
                     NGX_OK);
    assert_int_equal(ngx_neon_cancel_add(conf, &no_link, &shm_no_link, &t,
                                         NULL, 0, &open),
                     NGX_OK);

    assert_int_equal(find_by(&link, 1, &key, NULL, &found), NGX_OK);
    assert_target(&found, &t);

    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_int_equal(find_by(&others[i], 0, &key, NULL, &found),
                         NGX_DECLINED);
        assert_int_equal(find_by(&others[i], 0, &no_link, NULL, &found),
                         others[i].len ? NGX_DECLINED : NGX_OK);
    }

    ngx_neon_cancel_remove(conf, handle);
    assert_int_equal(find_by(&link, 0, &key, NULL, &found), NGX_DECLINED);
    ngx_neon_cancel_remove(conf, open);
}


static void
test_find(void **state)
{
    void                      *handle;
    ngx_uint_t                 i, j;
    ngx_neon_cancel_key_t      key, other;
    ngx_neon_cancel_target_t   t, found;

    static const size_t  lens[] = { NGX_NEON_CANCEL_KEY_3_0,
                                    NGX_NEON_CANCEL_KEY_3_2 };

    for (i = 0; i < 2; i++) {
        memset(&key, 0, sizeof(key));
        key.len = lens[i];
        t = target(i, 4 + 60 * i);

        assert_int_equal(ngx_neon_cancel_add(conf, &key, &shm_no_link, &t,
                                             NULL, 0, &handle),
                         NGX_OK);
        assert_non_null(handle);
        assert_int_equal(shm->zone[0].sh->cancels.count, 1);

        /* by any worker, and again and again */

        for (j = 0; j < 3; j++) {
            assert_int_equal(find(j, &key, NULL, &found), NGX_OK);
            assert_target(&found, &t);
        }

        memset(&found, 0xee, sizeof(found));
        ngx_neon_cancel_get(conf, handle, &found);
        assert_target(&found, &t);

        /* another pid; one bit; a part; more */

        other = key;
        other.pid ^= 1;
        assert_int_equal(find(0, &other, NULL, &found), NGX_DECLINED);

        for (j = 0; j < key.len * 8; j++) {
            other = key;
            other.key[j / 8] ^= 1 << j % 8;
            assert_int_equal(find(0, &other, NULL, &found), NGX_DECLINED);
        }

        for (j = 0; j < NGX_NEON_CANCEL_KEY_3_2; j++) {
            other = key;
            other.len = j;
            assert_int_equal(find(0, &other, NULL, &found),
                             j == key.len ? NGX_OK : NGX_DECLINED);
        }

        /* nothing is written where nothing is found */

        other.pid ^= 1;
        assert_int_equal(find(0, &other, NULL, &found), NGX_DECLINED);

        for (j = 0; j < sizeof(found); j++) {
            assert_int_equal(((u_char *) &found)[j], 0xee);
        }

        ngx_neon_cancel_remove(conf, handle);
        assert_int_equal(find(0, &key, NULL, &found), NGX_DECLINED);
        assert_int_equal(shm->zone[0].sh->cancels.count, 0);
        assert_int_equal(shm_live, live);
    }
}


static void
test_keys_differ(void **state)
{
    void                      *handles[KEYS];
    ngx_uint_t                 i, j;
    ngx_neon_cancel_key_t      keys[KEYS];
    ngx_neon_cancel_target_t   t, found;

    for (i = 0; i < KEYS; i++) {
        keys[i].len = i % 2 ? NGX_NEON_CANCEL_KEY_3_0
                            : NGX_NEON_CANCEL_KEY_3_2;
        t = target(i, 4 + i);

        assert_int_equal(ngx_neon_cancel_add(conf, &keys[i], &shm_no_link, &t,
                                             NULL, 0, &handles[i]),
                         NGX_OK);

        assert_in_range(keys[i].pid, 1, INT32_MAX);

        for (j = 0; j < i; j++) {
            assert_true(keys[i].pid != keys[j].pid
                        || memcmp(keys[i].key, keys[j].key, 4) != 0);
        }
    }

    for (i = 0; i < KEYS; i += 3) {
        ngx_neon_cancel_remove(conf, handles[i]);
    }

    for (i = 0; i < KEYS; i++) {
        if (i % 3 == 0) {
            assert_int_equal(find(1, &keys[i], NULL, &found), NGX_DECLINED);
            continue;
        }

        t = target(i, 4 + i);
        assert_int_equal(find(1, &keys[i], NULL, &found), NGX_OK);
        assert_target(&found, &t);
        ngx_neon_cancel_remove(conf, handles[i]);
    }

    assert_int_equal(shm_live, live);
}


/* the hash finds, the key decides */

static void
test_equal_hashes(void **state)
{
    void                      *handle;
    ngx_uint_t                 i;
    neon_str_t                 parts[2];
    ngx_neon_item_t           *item;
    ngx_neon_table_t          *table;
    ngx_neon_cancel_key_t      key, others[3];
    ngx_neon_cancel_target_t   t, found;

    t = target(1, 4);
    memset(&key, 0, sizeof(key));
    key.len = NGX_NEON_CANCEL_KEY_3_0;
    assert_int_equal(ngx_neon_cancel_add(conf, &key, &shm_no_link, &t, NULL, 0,
                                         &handle),
                     NGX_OK);

    for (i = 0; i < 3; i++) {
        others[i] = key;
    }

    others[0].pid++;
    others[1].key[3]++;
    others[2].len = NGX_NEON_CANCEL_KEY_3_2;

    item = handle;
    table = &shm->zone[0].sh->cancels;

    for (i = 0; i < 3; i++) {
        parts[0] = neon_str(&others[i].pid, sizeof(others[i].pid));
        parts[1] = neon_str(others[i].key, others[i].len);

        ngx_neon_table_remove(table, item);
        item->hash = ngx_neon_zone_hash(&shm->zone[0], parts, 2);
        ngx_neon_table_add(table, item);

        assert_int_equal(find(0, &others[i], NULL, &found), NGX_DECLINED);
    }

    ngx_neon_cancel_remove(conf, handle);
}


static void
test_ranges(void **state)
{
    void                      *handle, *open;
    neon_ip_t                  addr;
    ngx_uint_t                 i;
    neon_ip_range_t           *ranges;
    ngx_neon_cancel_key_t      key, everybody;
    ngx_neon_cancel_target_t   t, found;

    static const char  *texts[] = { "10.0.0.0/8", "192.0.2.5",
                                    "2001:db8::/32" };

    static const struct {
        const char  *ip;
        ngx_int_t    rc;
    } clients[] = {
        { "10.1.2.3", NGX_OK },
        { "11.1.2.3", NGX_ABORT },
        { "192.0.2.5", NGX_OK },
        { "192.0.2.6", NGX_ABORT },
        { "2001:db8::1", NGX_OK },
        { "2001:db9::1", NGX_ABORT },
        { "::ffff:10.1.2.3", NGX_OK }
    };

    ranges = malloc(3 * sizeof(neon_ip_range_t));
    assert_non_null(ranges);

    for (i = 0; i < 3; i++) {
        assert_int_equal(neon_ip_range_parse(&ranges[i],
                                       neon_str(texts[i], strlen(texts[i]))),
                         NEON_OK);
    }

    /* an odd length: what stands behind it is aligned all the same */

    t = target(1, 7);
    key.len = NGX_NEON_CANCEL_KEY_3_0;
    everybody.len = NGX_NEON_CANCEL_KEY_3_0;

    assert_int_equal(ngx_neon_cancel_add(conf, &key, &shm_no_link, &t, ranges,
                                         3, &handle),
                     NGX_OK);
    assert_int_equal(ngx_neon_cancel_add(conf, &everybody, &shm_no_link, &t,
                                         NULL, 0, &open),
                     NGX_OK);

    /* it is a copy */

    memset(ranges, 0, 3 * sizeof(neon_ip_range_t));
    free(ranges);

    for (i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
        addr = ip(clients[i].ip);

        assert_int_equal(find(0, &key, &addr, &found), clients[i].rc);

        if (clients[i].rc == NGX_OK) {
            assert_target(&found, &t);

        } else {
            assert_int_equal(found.pid, 0xeeeeeeee);
        }

        assert_int_equal(find(0, &everybody, &addr, &found), NGX_OK);
    }

    /* a socket's that no list can hold */

    assert_int_equal(find(0, &key, NULL, &found), NGX_ABORT);
    assert_int_equal(find(0, &everybody, NULL, &found), NGX_OK);

    ngx_neon_cancel_remove(conf, handle);
    ngx_neon_cancel_remove(conf, open);
    assert_int_equal(shm_live, live);
}


/* whose process is gone, is gone, too; others stay */

static void
test_dead_process(void **state)
{
    void                      *handle;
    ngx_uint_t                 i;
    ngx_neon_cancel_key_t      keys[100];
    ngx_neon_cancel_target_t   t, found;

    t = target(1, 4);

    for (i = 0; i < 100; i++) {
        keys[i].len = NGX_NEON_CANCEL_KEY_3_0;
        assert_int_equal(ngx_neon_cancel_add(&shm->conf[i % 2], &keys[i],
                                             &shm_no_link, &t, NULL, 0,
                                             &handle),
                         NGX_OK);
    }

    ngx_neon_cancel_sweep(&shm->zone[1]);
    assert_int_equal(shm->zone[0].sh->cancels.count, 100);

    shm_die(shm, 0);

    for (i = 0; i < 100; i++) {
        assert_int_equal(find(1, &keys[i], NULL, &found),
                         i % 2 ? NGX_OK : NGX_DECLINED);
    }

    /* its slot serves another one now */

    shm_claim(shm, 0);

    assert_int_equal(find(1, &keys[0], NULL, &found), NGX_DECLINED);

    ngx_neon_cancel_sweep(&shm->zone[1]);
    assert_int_equal(shm->zone[0].sh->cancels.count, 50);
    assert_int_equal(shm_live, live + 50);

    for (i = 0; i < 100; i++) {
        assert_int_equal(find(0, &keys[i], NULL, &found),
                         i % 2 ? NGX_OK : NGX_DECLINED);
    }

    /* a process that quits takes its own with it */

    ngx_neon_slot_release(&shm->zone[1]);
    assert_null(shm->zone[1].slot);
    assert_int_equal(shm->zone[0].sh->cancels.count, 0);
    assert_int_equal(shm_live, live);
}


static void
test_no_room(void **state)
{
    void                      *handle;
    ngx_neon_cancel_key_t      key;
    ngx_neon_cancel_target_t   t, found;

    static const u_char  zero[NGX_NEON_CANCEL_KEY_3_2];

    if (shm_mode != SHM_MALLOC) {
        skip();
    }

    t = target(1, 4);
    shm_budget = 0;
    handle = &t;
    memset(&key, 0, sizeof(key));
    key.len = NGX_NEON_CANCEL_KEY_3_2;

    assert_int_equal(ngx_neon_cancel_add(conf, &key, &shm_no_link, &t, NULL, 0,
                                         &handle),
                     NGX_ERROR);
    assert_null(handle);
    assert_int_not_equal(memcmp(key.key, zero, sizeof(zero)), 0);
    assert_int_equal(find(0, &key, NULL, &found), NGX_DECLINED);

    /* no slot: nobody would ever sweep it */

    shm_budget = 1 << 20;
    handle = &t;
    memset(&key, 0, sizeof(key));
    key.len = NGX_NEON_CANCEL_KEY_3_2;

    assert_int_equal(ngx_neon_cancel_add(&shm->conf[2], &key, &shm_no_link, &t,
                                         NULL, 0, &handle),
                     NGX_ERROR);
    assert_null(handle);
    assert_int_not_equal(memcmp(key.key, zero, sizeof(zero)), 0);
    assert_int_equal(shm_live, live);
}


int
main(void)
{
    static shm_mode_e  modes[] = { SHM_SLAB, SHM_MALLOC };

#define both(name)                                                            \
    { #name " 0", name, setup, teardown, &modes[0] },                         \
    { #name " 1", name, setup, teardown, &modes[1] }

    const struct CMUnitTest tests[] = {
        both(test_find),
        both(test_link),
        both(test_keys_differ),
        both(test_equal_hashes),
        both(test_ranges),
        both(test_dead_process),
        both(test_no_room)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
