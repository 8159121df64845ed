/*
 * A session over TCP with TLS: client and compute as the input has it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "session.h"


int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    session_start();

    return 0;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    session_play(SESSION_TLS, data, size);

    return 0;
}
