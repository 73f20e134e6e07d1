/* Others at a session: what the presence of people leads to. */
#ifndef TOWLINE_SERVER_ATTEND_H
#define TOWLINE_SERVER_ATTEND_H

#include "desk/desk.h"

/* The session's recording has grown: tells those who watch. Any thread, never blocks. */
void tl_attend_grew(const struct tl_desk *desk, const char *session);
/* Every ten seconds: writes down who left, and vouches anew for the second engineers who are there.
 * Workers only. */
TL_MUST_CHECK int tl_attend_chores(struct tl_desk *desk, struct tl_store *store,
				   struct tl_err *err);

#endif
