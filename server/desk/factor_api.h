/* What handlers ask for that a token alone does not open. Workers only. */
#ifndef TOWLINE_SERVER_FACTOR_API_H
#define TOWLINE_SERVER_FACTOR_API_H

#include "desk/factor.h"
#include "desk/reply.h"

struct tl_factor_answer {
	bool checked; /* a code was needed, and right */
	struct tl_problem problem;
};

/* Checks `code` (NULL: none was sent) of who makes the call, where `rule` asks for one. */
TL_MUST_CHECK int tl_factor_of_call(struct tl_http_call *call, enum tl_factor_rule rule,
				    const char *code, struct tl_factor_answer *answer,
				    struct tl_err *err);

#endif
