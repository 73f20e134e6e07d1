/* Error codes and the one sentence that goes with them.
 *
 * Functions return 0 or a negative TL_E* code. Where a person will read the outcome, a last argument
 * `struct tl_err *err` (NULL is allowed) receives code, errno and one bounded sentence that names the
 * thing and the remedy. Only a caller that adds context rewrites it. Any thread; no hidden state. */
#ifndef TOWLINE_ERR_H
#define TOWLINE_ERR_H

#include <towline/attr.h>

#define TL_ERR_TEXT_MAX 320

/* X(name, code, exit status (sysexits.h where one fits), text) */
#define TL_ERRORS(X) \
	X(EINVAL, 1, 65, "the input is not valid") \
	X(ENOMEM, 2, 71, "out of memory") \
	X(EIO, 3, 74, "input or output failed") \
	X(ENOENT, 4, 66, "not found") \
	X(EEXIST, 5, 73, "it exists already") \
	X(EACCES, 6, 77, "not allowed") \
	X(EAUTH, 7, 77, "authentication failed") \
	X(ESIG, 8, 76, "the signature does not verify") \
	X(EEXPIRED, 9, 75, "it has expired or is not valid yet") \
	X(ETOOBIG, 10, 65, "larger than its limit") \
	X(ETIMEOUT, 11, 75, "timed out") \
	X(EPROTO, 12, 76, "the peer broke the protocol") \
	X(EUNREACH, 13, 69, "the peer cannot be reached") \
	X(EDENIED, 14, 77, "refused by policy or by a person") \
	X(ECONFLICT, 15, 75, "it changed meanwhile") \
	X(ENOSPC, 16, 74, "no space left") \
	X(EUNSUPPORTED, 17, 69, "not supported") \
	X(ESCHEMA, 18, 78, "the schema version does not fit this program") \
	X(ECONFIG, 19, 78, "the configuration is not valid") \
	X(EUSAGE, 20, 64, "wrong usage") \
	X(ECANCELED, 21, 75, "cancelled") \
	X(EBUSY, 22, 75, "busy") \
	X(EINTERNAL, 23, 70, "internal error")

enum tl_error {
#define TL_ERROR_ENUM_(name, code, status, text) TL_##name = -(code),
	TL_ERRORS(TL_ERROR_ENUM_)
#undef TL_ERROR_ENUM_
};

struct tl_err {
	int code;      /* TL_E*, 0 when nothing was reported */
	int sys_errno; /* errno behind it, or 0 */
	char text[TL_ERR_TEXT_MAX];
};

#define TL_ERR_INIT \
	{ \
		.code = 0 \
	}

/* Records `code` with a formatted sentence (cut at TL_ERR_TEXT_MAX, control characters replaced by '?')
 * and returns `code`, so that `return tl_err_set(err, TL_EINVAL, "…");` reports and leaves. */
int tl_err_set(struct tl_err *err, int code, const char *format, ...) TL_PRINTF(3, 4);

/* As tl_err_set; appends ": " and the text of `sys_errno`. ENOSPC/EDQUOT turn the code into TL_ENOSPC,
 * EACCES/EPERM a TL_EIO into TL_EACCES, ENOENT a TL_EIO into TL_ENOENT. */
int tl_err_sys(struct tl_err *err, int code, int sys_errno, const char *format, ...)
	TL_PRINTF(4, 5);

/* Puts context before the recorded sentence: "context: sentence". Returns the recorded code;
 * TL_EINTERNAL where `err` is NULL, since nothing was recorded: keep your own code then. */
int tl_err_prefix(struct tl_err *err, const char *format, ...) TL_PRINTF(2, 3);

/* "EINVAL" and the like; "unknown" for a code that is none of ours. Static storage. */
const char *tl_err_name(int code);

/* The code that tl_err_name gives this name for; 0 when there is none. */
int tl_err_by_name(const char *name);

/* The general text of a code. Static storage. */
const char *tl_err_str(int code);

/* The recorded sentence, or the general text where none was recorded. Lives as long as *err. */
const char *tl_err_text(const struct tl_err *err);

/* The exit status (sysexits.h) a program ends with for `code`; 0 for 0. */
int tl_err_exit_status(int code);

#endif
