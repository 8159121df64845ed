/*
 * The role file: whoever is in it is found, with a verifier.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "core.h"

#include <sys/mman.h>

#include "neon_scram.h"

#include "ngx_neon_ctl_roles.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                     fd;
    char                    name[64];
    ngx_str_t               file;
    ngx_uint_t              i;
    ngx_conf_t              cf;
    ngx_array_t             roles;
    ngx_neon_ctl_role_t    *role;
    neon_scram_verifier_t   v;

    core_conf(&cf);

    fd = memfd_create("roles", 0);
    core_check(fd != -1 && fchmod(fd, 0600) == 0);
    core_check(write(fd, data, size) == (ssize_t) size);

    file.len = (size_t) snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    file.data = (u_char *) name;

    if (ngx_neon_ctl_roles_read(&cf, &file, &roles) == NGX_OK) {
        role = roles.elts;

        for (i = 0; i < roles.nelts; i++) {
            core_check(ngx_neon_ctl_roles_find(&roles, &role[i].endpoint,
                                               &role[i].role) == &role[i]);
            core_check(neon_scram_verifier_parse(&v,
                           neon_str(role[i].verifier.data,
                                    role[i].verifier.len)) == NEON_OK);
        }
    }

    close(fd);
    ngx_destroy_pool(cf.pool);

    return 0;
}
