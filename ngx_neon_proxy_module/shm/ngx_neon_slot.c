/*
 * Process slots.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_slot.h"

#include "ngx_neon_cancel.h"
#include "ngx_neon_waiter.h"
#include "ngx_neon_zone.h"


static ngx_neon_slot_t *ngx_neon_slot_find(ngx_neon_zone_t *zone);
static void ngx_neon_slot_free(ngx_neon_slot_t *slot);
static ngx_uint_t ngx_neon_slot_dead(ngx_neon_slot_t *slot);
static uint64_t ngx_neon_slot_started(ngx_pid_t pid);


void
ngx_neon_slot_claim(ngx_neon_zone_t *zone, ngx_log_t *log)
{
    uint64_t          started;
    ngx_neon_slot_t  *slot;

    started = ngx_neon_slot_started(ngx_pid);

    zone->slot = NULL;
    ngx_neon_slot_reap(zone, log);

    ngx_neon_zone_lock(zone);

    slot = ngx_neon_slot_find(zone);

    if (slot) {
        slot->draining = 0;
        slot->pid = ngx_pid;
        slot->started = started;
        slot->since = ngx_time();
        ngx_memory_barrier();
        slot->id = ++zone->sh->generation;
    }

    ngx_neon_flight_sweep_locked(zone, ngx_current_msec);

    ngx_neon_zone_unlock(zone);

    zone->slot = slot;

    if (slot == NULL) {
        ngx_log_error(NGX_LOG_ERR, log, 0, "neon zone is full: this process"
                      " is missing in the metrics, shares no calls, and its"
                      " sessions cannot be canceled");
    }
}


/* the list only grows at its head: it is read without the lock */

void
ngx_neon_slot_reap(ngx_neon_zone_t *zone, ngx_log_t *log)
{
    uint64_t          id;
    ngx_uint_t        reaped;
    ngx_neon_slot_t  *slot;

    reaped = 0;

    for (slot = zone->sh->slots; slot; slot = slot->next) {

        id = slot->id;

        if (id == 0 || slot == zone->slot || !ngx_neon_slot_dead(slot)) {
            continue;
        }

        ngx_log_error(NGX_LOG_NOTICE, log, 0, "process %P is gone,"
                      " what it had in the neon zone is freed", slot->pid);

        ngx_neon_zone_lock(zone);

        /* another process may have been faster, and sit in it by now */

        if (slot->id == id) {
            ngx_neon_slot_free(slot);
            reaped = 1;
        }

        ngx_neon_zone_unlock(zone);
    }

    if (reaped) {
        ngx_neon_cancel_sweep(zone);
        ngx_neon_waiter_sweep(zone);
    }
}


void
ngx_neon_slot_release(ngx_neon_zone_t *zone)
{
    if (zone->slot == NULL) {
        return;
    }

    ngx_neon_slot_free(zone->slot);
    zone->slot = NULL;

    ngx_neon_cancel_sweep(zone);
    ngx_neon_waiter_sweep(zone);
}


static ngx_neon_slot_t *
ngx_neon_slot_find(ngx_neon_zone_t *zone)
{
    ngx_neon_slot_t  *slot;

    for (slot = zone->sh->slots; slot; slot = slot->next) {
        if (slot->id == 0) {
            return slot;
        }
    }

    slot = ngx_neon_zone_alloc_locked(zone, sizeof(ngx_neon_slot_t), NULL);
    if (slot == NULL) {
        return NULL;
    }

    ngx_memzero(slot, sizeof(ngx_neon_slot_t));

    slot->next = zone->sh->slots;
    ngx_memory_barrier();
    zone->sh->slots = slot;

    return slot;
}


static void
ngx_neon_slot_free(ngx_neon_slot_t *slot)
{
    ngx_memzero((void *) slot->sessions, sizeof(slot->sessions));
    slot->flights = 0;
    slot->waiting = 0;
    ngx_memory_barrier();
    slot->id = 0;
}


/*
 * A pid alone may have been given to another process meanwhile; together with
 * the time when that one started it is unique.
 */

static ngx_uint_t
ngx_neon_slot_dead(ngx_neon_slot_t *slot)
{
    uint64_t  started;

    if (slot->pid == ngx_pid) {
        return 1;
    }

    if (kill(slot->pid, 0) == -1 && ngx_errno == ESRCH) {
        return 1;
    }

    if (slot->started == 0) {
        return 0;
    }

    started = ngx_neon_slot_started(slot->pid);

    return started != 0 && started != slot->started;
}


/* proc(5), /proc/pid/stat: the 22nd field; the second is "(name)" */

static uint64_t
ngx_neon_slot_started(ngx_pid_t pid)
{
    char        path[64], buf[1024], *p;
    ssize_t     n;
    ngx_fd_t    fd;
    ngx_uint_t  i;

    ngx_sprintf((u_char *) path, "/proc/%P/stat%Z", pid);

    fd = ngx_open_file(path, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        return 0;
    }

    n = ngx_read_fd(fd, buf, sizeof(buf) - 1);
    (void) ngx_close_file(fd);

    if (n <= 0) {
        return 0;
    }

    buf[n] = '\0';

    p = strrchr(buf, ')');

    for (i = 2; p && i < 22; i++) {
        p = strchr(p + 1, ' ');
    }

    return p ? strtoull(p + 1, NULL, 10) : 0;
}
