/*
 * The role file: whoever is in it is found, with a verifier.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "core.h"

#include <sys/mman.h>

#include "neon_md5.h"
#include "neon_scram.h"

#include "ngx_neon_ctl_roles.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                     fd;
    char                    name[64];
    neon_md5_t              md5;
    neon_str_t              text;
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

    /* whether MD5 ones are taken is the input's length's to say */

    if (ngx_neon_ctl_roles_read(&cf, &file, size % 2, &roles) == NGX_OK) {
        role = roles.elts;

        for (i = 0; i < roles.nelts; i++) {
            core_check(ngx_neon_ctl_roles_find(&roles, &role[i].endpoint,
                                               &role[i].role) == &role[i]);

            text = neon_str(role[i].verifier.data, role[i].verifier.len);

            core_check(neon_scram_verifier_parse(&v, text) == NEON_OK
                       || (size % 2 && neon_md5_parse(&md5, text) == NEON_OK));
        }
    }

    close(fd);
    ngx_destroy_pool(cf.pool);

    return 0;
}
