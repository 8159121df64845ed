/*
 * A crowd of PostgreSQL clients in one process: each logs in (no TLS, SCRAM),
 * asks once, stays a while and leaves; some leave at any moment before.
 *
 *   crowd [-c at once] [-n clients] [-s seconds] [-r a second] [-o spread ms]
 *         [-l percent that leave early] [-y stay ms] [-t ms until it hangs]
 *         [-k seed] [-i 1] -e endpoint[,endpoint]... -u user -w password port
 *
 * -n or -s end it; with -i 1 they take the endpoints in turn, else at random.
 * Prints a line for each client at its end:
 *
 *   OUTCOME STAGE ENDPOINT PORT START TIME TEXT
 *
 *   ok       answered and left             error   TEXT: SQLSTATE and message
 *   left     early                         closed  by the other side, no word
 *   refused  connect() failed              hung
 *
 * STAGE is what it waited for: connect, startup, sasl, proof, query, stay.
 * PORT is its own one; START, when it was connected, in seconds since 1970;
 * TIME in ms from then to ReadyForQuery, or to the end without one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>


#define BUFFER     8192
#define ENDPOINTS   2048
#define SALTS      256
#define NONCE      "AAAAAAAAAAAAAAAAAAAAAAAA"
#define NEVER      1e18


typedef enum {
    CONNECT = 0,
    STARTUP,
    SASL,
    PROOF,
    QUERY,
    STAY
} stage_t;

static const char *stages[] = {
    "connect", "startup", "sasl", "proof", "query", "stay"
};


typedef struct {
    int               fd;                    /* -1: free */
    int               port;
    int               endpoint;
    stage_t           stage;
    double            start, ready, leave;   /* ms; 0, NEVER: not */
    size_t            have;
    unsigned char     buffer[BUFFER];
} client_t;


static int          at_once = 100, nclients, seconds, rate, spread, leavers;
static int          stay = 50, hang = 30000, port, nendpoints;
static int          in_turn, begun;
static char        *endpoint[ENDPOINTS];
static const char  *user = "alice", *password = "pw";
static int          ep, active;
static client_t    *clients;


static double
now(int clock)
{
    struct timespec  ts;

    clock_gettime(clock, &ts);

    return (double) ts.tv_sec * 1e3 + (double) ts.tv_nsec / 1e6;
}


static void
fail(const char *what)
{
    fprintf(stderr, "crowd: %s\n", what);
    exit(2);
}


static void
put32(unsigned char *p, size_t n)
{
    uint32_t  v;

    v = htonl((uint32_t) n);
    memcpy(p, &v, 4);
}


static uint32_t
get32(const unsigned char *p)
{
    uint32_t  v;

    memcpy(&v, p, 4);

    return ntohl(v);
}


static void
end(client_t *c, const char *outcome, const char *text)
{
    double  t;

    t = now(CLOCK_MONOTONIC);

    printf("%s %s %s %d %.3f %.0f %s\n", outcome, stages[c->stage],
           endpoint[c->endpoint], c->port,
           (now(CLOCK_REALTIME) - (t - c->start)) / 1e3,
           (c->ready != 0 ? c->ready : t) - c->start, text);

    close(c->fd);
    c->fd = -1;
    active--;
}


/* a client that does not read has room for all that it sends */

static void
transmit(client_t *c, const void *p, size_t n)
{
    if (send(c->fd, p, n, MSG_NOSIGNAL) != (ssize_t) n && errno == EAGAIN) {
        fail("a socket without room");
    }
}


static void
message(client_t *c, int tag, const void *body, size_t n)
{
    unsigned char  p[2048];

    p[0] = (unsigned char) tag;
    put32(p + 1, n + 4);
    memcpy(p + 5, body, n);

    transmit(c, p, n + 5);
}


static void
startup(client_t *c)
{
    int            i, n;
    unsigned char  p[1024];
    const char    *params[] = { "user", user, "database", "app",
                                "options", endpoint[c->endpoint] };

    n = 8;
    put32(p + 4, 196608);

    for (i = 0; i < 6; i++) {
        n += snprintf((char *) p + n, sizeof(p) - (size_t) n - 1, "%s%s",
                      i == 5 ? "endpoint=" : "", params[i]) + 1;
    }

    p[n++] = '\0';
    put32(p, (size_t) n);

    transmit(c, p, (size_t) n);
    c->stage = STARTUP;
}


/* --- SCRAM ---------------------------------------------------------------- */

/* the slow part, once for each salt */

static unsigned char *
salted_password(const char *salt, int iterations)
{
    int             i, n;
    unsigned char   raw[192];

    static int      nsalts;
    static struct {
        char           salt[64];
        unsigned char  key[32];
    } known[SALTS];

    for (i = 0; i < nsalts; i++) {
        if (strcmp(known[i].salt, salt) == 0) {
            return known[i].key;
        }
    }

    i = nsalts < SALTS ? nsalts++ : rand() % SALTS;
    snprintf(known[i].salt, sizeof(known[i].salt), "%s", salt);

    n = EVP_DecodeBlock(raw, (const unsigned char *) salt,
                        (int) strlen(salt));

    if (n < 3) {
        fail("a salt that is none");
    }

    n -= (salt[strlen(salt) - 1] == '=') + (salt[strlen(salt) - 2] == '=');

    PKCS5_PBKDF2_HMAC(password, (int) strlen(password), raw, n, iterations,
                      EVP_sha256(), 32, known[i].key);

    return known[i].key;
}


/* RFC 5802, section 3 */

static void
proof(client_t *c, const unsigned char *data, size_t len)
{
    int            i, n, iterations;
    char           first[512], nonce[256], salt[64], auth[1200], body[700];
    unsigned char  key[32], stored[32], signature[32];

    if (len >= sizeof(first)) {
        fail("a long server-first-message");
    }

    memcpy(first, data, len);
    first[len] = '\0';

    if (sscanf(first, "r=%255[^,],s=%63[^,],i=%d", nonce, salt, &iterations)
        != 3)
    {
        fail("no server-first-message");
    }

    snprintf(auth, sizeof(auth), "n=,r=" NONCE ",%s,c=biws,r=%s", first,
             nonce);

    HMAC(EVP_sha256(), salted_password(salt, iterations), 32,
         (const unsigned char *) "Client Key", 10, key, NULL);
    EVP_Digest(key, 32, stored, NULL, EVP_sha256(), NULL);
    HMAC(EVP_sha256(), stored, 32, (unsigned char *) auth, strlen(auth),
         signature, NULL);

    for (i = 0; i < 32; i++) {
        key[i] ^= signature[i];
    }

    n = snprintf(body, sizeof(body), "c=biws,r=%s,p=", nonce);
    n += EVP_EncodeBlock((unsigned char *) body + n, key, 32);

    message(c, 'p', body, (size_t) n);
    c->stage = PROOF;
}


static void
authenticate(client_t *c, const unsigned char *body, size_t len)
{
    static const char  sasl[] = "SCRAM-SHA-256\0\0\0\0\x20n,,n=,r=" NONCE;

    switch (get32(body)) {

    case 10:
        message(c, 'p', sasl, sizeof(sasl) - 1);
        c->stage = SASL;
        break;

    case 11:
        proof(c, body + 4, len - 4);
        break;

    case 0:
    case 12:
        break;

    default:
        fail("an unknown authentication request");
    }
}


/* --- what the server says ------------------------------------------------- */

static void
ready(client_t *c)
{
    static const char  query[] = "select 1";

    if (c->stage == QUERY) {
        c->stage = STAY;

        if (c->leave == NEVER) {
            c->leave = now(CLOCK_MONOTONIC) + rand() % (stay + 1);
        }

        return;
    }

    c->ready = now(CLOCK_MONOTONIC);
    c->stage = QUERY;
    message(c, 'Q', query, sizeof(query));
}


static void
error(client_t *c, const unsigned char *p, size_t len)
{
    char                  text[512];
    const char           *sqlstate, *m;
    const unsigned char  *last;

    sqlstate = "?????";
    m = "";

    for (last = p + len; p < last && *p; p += strlen((char *) p) + 1) {
        if (*p == 'C') {
            sqlstate = (const char *) p + 1;
        }

        if (*p == 'M') {
            m = (const char *) p + 1;
        }
    }

    snprintf(text, sizeof(text), "%s %s", sqlstate, m);
    end(c, "error", text);
}


/* 0: the client is no more */

static int
handle(client_t *c, int tag, unsigned char *body, size_t len)
{
    switch (tag) {

    case 'R':
        authenticate(c, body, len);
        break;

    case 'E':
        error(c, body, len);
        return 0;

    case 'Z':
        ready(c);
        break;

    default:
        break;
    }

    return 1;
}


static void
receive(client_t *c)
{
    size_t          size;
    ssize_t         n;
    unsigned char  *p;

    n = recv(c->fd, c->buffer + c->have, BUFFER - c->have, 0);

    if (n < 0 && errno == EAGAIN) {
        return;
    }

    if (n <= 0) {
        end(c, "closed", n == 0 ? "EOF" : strerror(errno));
        return;
    }

    c->have += (size_t) n;
    p = c->buffer;

    while (c->have >= 5 && c->have >= (size = (size_t) get32(p + 1) + 1)) {

        if (!handle(c, p[0], p + 5, size - 5)) {
            return;
        }

        p += size;
        c->have -= size;
    }

    memmove(c->buffer, p, c->have);

    if (c->have == BUFFER) {
        fail("a long message");
    }
}


/* --- the crowd ------------------------------------------------------------ */

static void
begin(client_t *c)
{
    int                 on = 1;
    struct epoll_event  ee;
    struct sockaddr_in  sin = { .sin_family = AF_INET };

    memset(c, 0, offsetof(client_t, buffer));

    c->endpoint = (in_turn ? begun++ : rand()) % nendpoints;
    c->start = now(CLOCK_MONOTONIC);
    c->leave = rand() % 100 < leavers ? c->start + rand() % 500 : NEVER;
    active++;

    sin.sin_port = htons((uint16_t) port);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    if (c->fd == -1) {
        fail("no socket");
    }

    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));

    if (connect(c->fd, (struct sockaddr *) &sin, sizeof(sin)) == -1
        && errno != EINPROGRESS)
    {
        end(c, "refused", strerror(errno));
        return;
    }

    ee.events = EPOLLOUT;
    ee.data.ptr = c;
    epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ee);
}


static void
connected(client_t *c)
{
    int                 err;
    socklen_t           len;
    struct epoll_event  ee;
    struct sockaddr_in  sin;

    len = sizeof(err);
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len);

    if (err) {
        end(c, "refused", strerror(err));
        return;
    }

    len = sizeof(sin);
    getsockname(c->fd, (struct sockaddr *) &sin, &len);
    c->port = ntohs(sin.sin_port);
    c->start = now(CLOCK_MONOTONIC);

    ee.events = EPOLLIN;
    ee.data.ptr = c;
    epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ee);

    startup(c);
}


/* with a goodbye where it is ready, else FIN or RST */

static void
leave(client_t *c)
{
    struct linger  linger = { 1, 0 };

    if (c->stage == STAY) {
        message(c, 'X', NULL, 0);
        end(c, "ok", "");
        return;
    }

    if (rand() % 2) {
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    }

    end(c, "left", "");
}


static void
look_at_clocks(double t)
{
    int        i;
    client_t  *c;

    for (i = 0; i < at_once; i++) {
        c = &clients[i];

        if (c->fd == -1) {
            continue;
        }

        if (t >= c->leave) {
            leave(c);

        } else if (t - c->start > hang && c->stage < STAY) {
            end(c, "hung", "");
        }
    }
}


/* how many may have begun by now */

static int
due(double passed)
{
    double  n;

    n = nclients ? nclients : 1e9;

    if (seconds && passed >= seconds * 1e3) {
        return 0;
    }

    if (rate) {
        n = passed * rate / 1e3 < n ? passed * rate / 1e3 : n;
    }

    if (spread && passed < spread) {
        n = n * passed / spread;
    }

    return (int) n;
}


static void
run(void)
{
    int                 i, n, begun;
    double              start, t;
    client_t           *c;
    struct epoll_event  events[256];

    start = now(CLOCK_MONOTONIC);
    begun = 0;

    for ( ;; ) {
        t = now(CLOCK_MONOTONIC);

        for (i = 0; i < at_once && begun < due(t - start); i++) {
            if (clients[i].fd == -1) {
                begin(&clients[i]);
                begun++;
            }
        }

        if (active == 0
            && ((nclients && begun >= nclients)
                || (seconds && t - start >= seconds * 1e3)))
        {
            return;
        }

        n = epoll_wait(ep, events, 256, 2);

        for (i = 0; i < n; i++) {
            c = events[i].data.ptr;

            if (c->stage == CONNECT) {
                connected(c);

            } else {
                receive(c);
            }
        }

        look_at_clocks(now(CLOCK_MONOTONIC));
    }
}


static void
parse_endpoints(char *list)
{
    for (list = strtok(list, ","); list; list = strtok(NULL, ",")) {
        if (nendpoints < ENDPOINTS) {
            endpoint[nendpoints++] = list;
        }
    }
}


int
main(int argc, char **argv)
{
    int  i, opt;

    while ((opt = getopt(argc, argv, "c:n:s:r:o:l:y:t:k:i:e:u:w:")) != -1) {
        switch (opt) {
        case 'c': at_once = atoi(optarg); break;
        case 'n': nclients = atoi(optarg); break;
        case 's': seconds = atoi(optarg); break;
        case 'r': rate = atoi(optarg); break;
        case 'o': spread = atoi(optarg); break;
        case 'l': leavers = atoi(optarg); break;
        case 'y': stay = atoi(optarg); break;
        case 't': hang = atoi(optarg); break;
        case 'k': srand((unsigned) atoi(optarg)); break;
        case 'i': in_turn = atoi(optarg); break;
        case 'e': parse_endpoints(optarg); break;
        case 'u': user = optarg; break;
        case 'w': password = optarg; break;
        default: return 2;
        }
    }

    if (optind != argc - 1 || nendpoints == 0 || (!nclients && !seconds)) {
        fail("see the head of crowd.c");
    }

    port = atoi(argv[optind]);
    ep = epoll_create1(0);
    clients = malloc((size_t) at_once * sizeof(client_t));

    if (clients == NULL) {
        fail("no memory");
    }

    for (i = 0; i < at_once; i++) {
        clients[i].fd = -1;
    }

    run();

    return 0;
}
