/* SPDX-License-Identifier: BSD-2-Clause */
/* The one list of words for error codes. */
#include "kernel/lib/base.h"

static const char *const err_words[E_MAX] = {
    [0] = "ok",
    [E_NOMEM] = "out of memory",
    [E_INVAL] = "not acceptable",
    [E_RANGE] = "out of range",
    [E_NOENT] = "not found",
    [E_EXIST] = "exists already",
    [E_BUSY] = "busy",
    [E_NOTSUP] = "not supported here",
    [E_TIMEDOUT] = "no answer in time",
    [E_IO] = "device error",
    [E_NOSPC] = "no room",
    [E_PROTO] = "protocol broken by the peer",
    [E_VERSION] = "other version at the peer",
    [E_CHECKSUM] = "checksum does not match",
    [E_CLOSED] = "closed by the peer",
    [E_CANCELLED] = "cancelled",
    [E_FENCED] = "fenced by the storage",
    [E_MISMATCH] = "source and target differ",
    [E_STATE] = "not possible now",
    [E_AGAIN] = "nothing yet",
};

const char *err_text(int err)
{
	/* unsigned: a peer may claim INT32_MIN, which has no positive counterpart */
	unsigned code = err < 0 ? -(unsigned)err : (unsigned)err;

	if (code >= E_MAX || !err_words[code])
		return "unknown error";
	return err_words[code];
}
