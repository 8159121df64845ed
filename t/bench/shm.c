/*
 * What the operations of shm/ cost: looks into a cache by one process and by
 * two, waits for the lock, memory of an entry.  Prints a Markdown table.
 *
 * Not a test: it fails only where an answer is wrong.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <ngx_config.h>
#include <ngx_core.h>

#include <sys/wait.h>

#include "ngx_neon_zone.h"


#define ZONE      (64 * 1024 * 1024)
#define ENTRIES   100000
#define ROUNDS    31
#define MSEC      100                 /* of a round */
#define PARTS     4
#define BATCH     256                 /* operations between looks at `stop` */
#define BUCKETS   4096                /* of waits: 64 for each power of two */


/* as they are in service: "ep-cool-name-123456" with a packed address, and
   endpoint and role with a packed verifier */

#define NODE_KEY    19
#define NODE_VALUE  125
#define SECRET_KEY    30
#define SECRET_VALUE  130


typedef struct {
    ngx_atomic_t   ready;
    ngx_atomic_t   go;
    ngx_atomic_t   stop;
    ngx_uint_t     done[2];
    ngx_uint_t     wait[2][BUCKETS];
    uint64_t       longest[2];
} shared_t;


static ngx_slab_pool_t         *pool;
static ngx_neon_zone_t          zone;
static shared_t                *shared;
static char                     names[NGX_NEON_CACHES][ENTRIES][32];
static ngx_neon_lru_policy_t    policy = { ENTRIES, 3600000, 0, 0 };
static u_char                   buffer[NGX_NEON_LRU_VALUE_MAX];
static ngx_uint_t               me, measure;
static double                   ticks;        /* a nanosecond */


void __real_ngx_neon_zone_lock(ngx_neon_zone_t *zone);
void __wrap_ngx_neon_zone_lock(ngx_neon_zone_t *zone);


static uint64_t
nsec(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}


static uint64_t
clock_ticks(void)
{
#if (__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return nsec();
#endif
}


static ngx_uint_t
bucket(uint64_t n)
{
    ngx_uint_t  shift;

    if (n < 64) {
        return n;
    }

    shift = 63 - __builtin_clzll(n) - 6;

    return ngx_min(64 * (shift + 1) + (n >> shift) - 64, BUCKETS - 1);
}


static uint64_t
lower(ngx_uint_t i)
{
    return i < 64 ? i : (64 + i % 64) << (i / 64 - 1);
}


void
__wrap_ngx_neon_zone_lock(ngx_neon_zone_t *zone)
{
    uint64_t  start;

    if (!measure) {
        __real_ngx_neon_zone_lock(zone);
        return;
    }

    start = clock_ticks();
    __real_ngx_neon_zone_lock(zone);
    start = clock_ticks() - start;

    shared->wait[me][bucket(start)]++;
    shared->longest[me] = ngx_max(shared->longest[me], start);
}


static void
fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}


static void *
map(size_t size)
{
    void  *p;

    p = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_ANON|MAP_SHARED, -1, 0);
    if (p == MAP_FAILED) {
        fail("mmap() failed");
    }

    return p;
}


static void
init(void)
{
    uint64_t                start, tick;
    ngx_uint_t              i;

    static ngx_log_t        log;
    static ngx_cycle_t      cycle;
    static ngx_open_file_t  file;

    ngx_pagesize = getpagesize();
    for (i = ngx_pagesize; i >>= 1; ngx_pagesize_shift++) { /* void */ }

    ngx_ncpu = sysconf(_SC_NPROCESSORS_ONLN);
    ngx_pid = getpid();

    file.fd = STDERR_FILENO;
    log.file = &file;
    log.log_level = NGX_LOG_NOTICE;
    cycle.log = &log;
    ngx_cycle = &cycle;

    ngx_time_init();
    ngx_slab_sizes_init();

    shared = map(sizeof(shared_t));

    for (i = 0; i < ENTRIES; i++) {
        sprintf(names[NGX_NEON_CACHE_NODE][i], "ep-cool-name-%06u",
                (unsigned) i);
        sprintf(names[NGX_NEON_CACHE_SECRET][i],
                "ep-cool-name-%06u role-%05u", (unsigned) i,
                (unsigned) (i % 100000));
    }

    start = nsec();
    tick = clock_ticks();
    while (nsec() - start < 50000000) { /* void */ }
    ticks = (double) (clock_ticks() - tick) / (nsec() - start);
}


static void
new_zone(void)
{
    void        *p;
    ngx_uint_t   sizes[NGX_NEON_CACHES] = { ENTRIES, ENTRIES };

    if (pool) {
        munmap(pool, ZONE);
    }

    p = map(ZONE);

    pool = p;
    pool->end = (u_char *) p + ZONE;
    pool->min_shift = 3;
    pool->addr = p;

    if (ngx_shmtx_create(&pool->mutex, &pool->lock, NULL) != NGX_OK) {
        fail("ngx_shmtx_create() failed");
    }

    ngx_slab_init(pool);

    zone.shpool = pool;

    if (ngx_neon_zone_create(&zone, ZONE, sizes, ngx_cycle->log) != NGX_OK) {
        fail("ngx_neon_zone_create() failed");
    }
}


static ngx_neon_key_t
key_of(ngx_neon_cache_e cache, ngx_uint_t i)
{
    return ngx_neon_lru_key(&zone, neon_str(names[cache][i],
                            cache == NGX_NEON_CACHE_NODE ? NODE_KEY
                                                         : SECRET_KEY));
}


static void
insert(ngx_neon_cache_e cache, ngx_uint_t i)
{
    uint64_t        generation;
    ngx_neon_key_t  key;

    key = key_of(cache, i);

    if (ngx_neon_lru_insert(&zone, &zone.sh->cache[cache], &key,
                            neon_str(buffer, cache == NGX_NEON_CACHE_NODE
                                             ? NODE_VALUE : SECRET_VALUE),
                            NGX_NEON_LRU_IDLE, 3600000, ngx_current_msec,
                            &policy, &generation)
        != NGX_OK)
    {
        fail("an insert was refused");
    }
}


static void
get(ngx_neon_cache_e cache, ngx_uint_t i)
{
    ngx_neon_key_t        key;
    ngx_neon_lru_value_t  value;

    value.data = buffer;
    key = key_of(cache, i);

    if (ngx_neon_lru_get(&zone, &zone.sh->cache[cache], &key,
                         ngx_current_msec, &policy, &value)
        != NGX_NEON_LRU_HIT)
    {
        fail("a look missed");
    }
}


static void
fill(ngx_uint_t entries)
{
    ngx_uint_t  i;

    new_zone();

    for (i = 0; i < entries; i++) {
        insert(NGX_NEON_CACHE_NODE, i);
    }
}


static void
pin(ngx_uint_t cpu)
{
    cpu_set_t  set;

    CPU_ZERO(&set);
    CPU_SET(cpu % ngx_ncpu, &set);
    (void) sched_setaffinity(0, sizeof(set), &set);
}


/* operations until `stop`; inserts: of a hundred, so many */

static ngx_uint_t
work(ngx_uint_t entries, ngx_uint_t inserts)
{
    uint64_t    random;
    ngx_uint_t  i, n, k;

    random = 88172645463325252ULL + me;

    for (n = 0; !shared->stop; n += BATCH) {
        for (i = 0; i < BATCH; i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;

            k = (random >> 20) % entries;

            if ((random >> 40) % 100 < inserts) {
                insert(NGX_NEON_CACHE_NODE, k);

            } else {
                get(NGX_NEON_CACHE_NODE, k);
            }
        }
    }

    return n;
}


/* a new process meets each page of the zone once; a worker lives longer */

static void
warm_up(void)
{
    size_t                i;
    static volatile char  c;

    for (i = 0; i < ZONE; i += ngx_pagesize) {
        c = ((char *) pool)[i];
    }

    (void) c;
}


/* a round: operations a second, of each process */

static void
round_of(ngx_uint_t processes, ngx_uint_t entries, ngx_uint_t inserts,
    double *rate)
{
    int         status;
    pid_t       pids[2];
    uint64_t    start;
    ngx_uint_t  i;

    shared->ready = 0;
    shared->go = 0;
    shared->stop = 0;

    for (i = 0; i < processes; i++) {
        pids[i] = fork();

        if (pids[i] == -1) {
            fail("fork() failed");
        }

        if (pids[i] == 0) {
            (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
            ngx_pid = getpid();
            me = i;
            pin(i);
            warm_up();

            (void) ngx_atomic_fetch_add(&shared->ready, 1);
            while (!shared->go) { /* void */ }

            shared->done[me] = work(entries, inserts);
            _exit(0);
        }
    }

    while (shared->ready < processes) { usleep(100); }

    start = nsec();
    shared->go = 1;
    usleep(MSEC * 1000);
    shared->stop = 1;
    start = nsec() - start;

    for (i = 0; i < processes; i++) {
        if (waitpid(pids[i], &status, 0) != pids[i] || status) {
            fail("a process failed");
        }

        rate[i] = shared->done[i] * 1e9 / start;
    }
}


static int
compare(const void *a, const void *b)
{
    return (*(double *) a > *(double *) b) - (*(double *) a < *(double *) b);
}


static void
rates(const char *name, ngx_uint_t processes, ngx_uint_t entries,
    ngx_uint_t inserts)
{
    double      rate[2], all[ROUNDS * 2];
    ngx_uint_t  i, n;

    n = 0;

    for (i = 0; i < ROUNDS; i++) {
        round_of(processes, entries, inserts, rate);

        all[n++] = rate[0];

        if (processes == 2) {
            all[n++] = rate[1];
        }
    }

    qsort(all, n, sizeof(double), compare);

    printf("| %s, %u entries, %u process%s | %.0f | %.0f-%.0f |\n", name,
           (unsigned) entries, (unsigned) processes,
           processes > 1 ? "es, each" : "", all[n / 2] / 1000, all[0] / 1000,
           all[n - 1] / 1000);
    fflush(stdout);
}


/* what so large a part of the waits of a round did not exceed, in us */

static double
part_of(double part)
{
    uint64_t    n, sum;
    ngx_uint_t  i;

    n = 0;

    for (i = 0; i < BUCKETS; i++) {
        n += shared->wait[0][i] + shared->wait[1][i];
    }

    sum = 0;

    for (i = 0; i < BUCKETS; i++) {
        sum += shared->wait[0][i] + shared->wait[1][i];

        if (sum >= n * part) {
            break;
        }
    }

    return lower(i + 1) / ticks / 1000;
}


/* the median of the rounds, so that one in which the machine was busy with
   something else says nothing */

static void
waits(const char *name, ngx_uint_t processes, ngx_uint_t entries,
    ngx_uint_t inserts)
{
    double      rate[2], all[PARTS + 1][ROUNDS];
    ngx_uint_t  i, p;

    static const double  parts[PARTS] = { 0.5, 0.99, 0.999, 0.9999 };

    measure = 1;

    for (i = 0; i < ROUNDS; i++) {
        memset(shared->wait, 0, sizeof(shared->wait));
        memset(shared->longest, 0, sizeof(shared->longest));

        round_of(processes, entries, inserts, rate);

        for (p = 0; p < PARTS; p++) {
            all[p][i] = part_of(parts[p]);
        }

        all[p][i] = ngx_max(shared->longest[0], shared->longest[1]) / ticks
                    / 1000;
    }

    measure = 0;

    printf("| %s, %u entries, %u process%s |", name, (unsigned) entries,
           (unsigned) processes, processes > 1 ? "es" : "");

    for (p = 0; p <= PARTS; p++) {
        qsort(all[p], ROUNDS, sizeof(double), compare);
        printf(" %.2f |", all[p][ROUNDS / 2]);
    }

    printf("\n");
    fflush(stdout);
}


static void
memory(void)
{
    ngx_uint_t  i, free_pages, cache;
    double      bytes[NGX_NEON_CACHES];

    new_zone();

    for (cache = 0; cache < NGX_NEON_CACHES; cache++) {
        free_pages = pool->pfree;

        for (i = 0; i < ENTRIES; i++) {
            insert(cache, i);
        }

        bytes[cache] = (double) (free_pages - pool->pfree) * ngx_pagesize
                       / ENTRIES;
    }

    if (zone.sh->cache[0].stats.evicted_memory
        || zone.sh->cache[0].table.count != ENTRIES
        || zone.sh->cache[1].table.count != ENTRIES)
    {
        fail("100,000 endpoints do not fit into the zone");
    }

    printf("\n%u nodes (key %u, value %u bytes): %.0f bytes each; as many"
           " verifiers (%u, %u): %.0f each.\nA zone of %u MiB with both of"
           " them has %.1f MiB left.\n", ENTRIES, NODE_KEY, NODE_VALUE,
           bytes[0], SECRET_KEY, SECRET_VALUE, bytes[1],
           ZONE / 1024 / 1024,
           (double) pool->pfree * ngx_pagesize / 1024 / 1024);
}


int
main(void)
{
    ngx_uint_t  n;

    static const ngx_uint_t  entries[] = { 4000, ENTRIES };

    init();

    printf("| operations | thousands a second, median | least-most |\n"
           "|---|---|---|\n");

    for (n = 0; n < 2; n++) {
        fill(entries[n]);

        rates("get", 1, entries[n], 0);
        rates("get", 2, entries[n], 0);
        rates("90 get, 10 insert", 1, entries[n], 10);
        rates("90 get, 10 insert", 2, entries[n], 10);
    }

    printf("\n| waits for the lock, us | p50 | p99 | p99.9 | p99.99 | max |\n"
           "|---|---|---|---|---|---|\n");

    for (n = 0; n < 2; n++) {
        fill(entries[n]);

        waits("get", 1, entries[n], 0);
        waits("get", 2, entries[n], 0);
        waits("90 get, 10 insert", 2, entries[n], 10);
    }

    memory();

    return 0;
}
