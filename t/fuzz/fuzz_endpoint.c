/*
 * Endpoint names: a host or password, a line feed, a pattern of `domains`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <stdlib.h>

#include "neon_endpoint.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
check(int ok)
{
    if (!ok) {
        abort();
    }
}


static void
check_name(neon_str_t name)
{
    neon_str_t  normal;

    normal = neon_endpoint_normal(name);

    check(normal.data == name.data && normal.len <= name.len);
    check((normal.len == 0) == (name.len == 0));

    if (neon_endpoint_valid(name)) {
        check(name.len >= 1 && name.len <= NEON_ENDPOINT_MAX);
        check(neon_endpoint_valid(normal));
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t          n;
    neon_str_t      in, pattern, label, name, password;
    const uint8_t  *line;

    if (size == 0) {
        return 0;
    }

    line = memchr(data, '\n', size);

    n = (line == NULL) ? size : (size_t) (line - data);
    in = neon_str(data, n);
    pattern = (line == NULL) ? neon_str(NULL, 0)
                             : neon_str(line + 1, size - n - 1);

    check_name(in);

    if (neon_endpoint_from_host(&label, in, pattern)) {
        check(label.data == in.data && label.len != 0 && label.len < in.len);
        check(in.data[label.len] == '.');
        check(memchr(label.data, '.', label.len) == NULL);
        check_name(label);

        /* who is covered by a domain is covered by "*" */

        if (neon_endpoint_pattern_valid(pattern)) {
            check(neon_endpoint_from_host(&name, in, neon_str("*", 1)));
            check(neon_str_eq(name, label));
        }
    }

    if (neon_endpoint_from_password(&name, &password, in) == NEON_OK) {
        check(name.data > in.data);
        check(name.data + name.len + 1 == password.data);
        check(password.data + password.len == in.data + in.len);
    }

    return 0;
}
