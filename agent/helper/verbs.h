/* What the handlers of verbs share: verbs.c has the table and most of them, verbs_company.c those about who
 * else is at a session. */
#ifndef TOWLINE_HELPER_VERBS_H
#define TOWLINE_HELPER_VERBS_H

#include "helper/helper.h"

TL_MUST_CHECK int tl_verb_session(struct tl_helper *helper, const char *id,
				  struct tl_session **ret_session, struct tl_err *err);
/* TL_EDENIED for who may not decide about sessions here. */
TL_MUST_CHECK int tl_verb_may_decide(const struct tl_helper *helper, const struct tl_ask *ask,
				     struct tl_err *err);

int tl_verb_session_attach(void *app, struct tl_ask *ask, struct tl_err *err);
int tl_verb_session_company(void *app, struct tl_ask *ask, struct tl_err *err);
int tl_verb_session_extend(void *app, struct tl_ask *ask, struct tl_err *err);
int tl_verb_session_hold(void *app, struct tl_ask *ask, struct tl_err *err);
int tl_verb_session_pause(void *app, struct tl_ask *ask, struct tl_err *err);

#endif
