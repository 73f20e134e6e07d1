/* A session as an engineer wants it, asked for through the API and signed where the workstation has a key. Blocking. */
#ifndef TOWLINE_SERVER_CLI_ASK_H
#define TOWLINE_SERVER_CLI_ASK_H

#include <towline/grant.h>

#include "cli/api.h"

struct tl_session_wish {
	const char *
		target; /* a host's name or id, or a ticket's number; ".towline" at its end is cut off */
	const char *ticket; /* that it has to be about; NULL: the host's newest open one */
	const char *purpose, *user, *key; /* NULL: none said */
	enum tl_lane lane;
	unsigned scopes;
	int64_t minutes; /* 0: as long as the relay allows */
	bool break_glass;
	bool must_sign; /* else it goes unsigned where no key is at hand */
};

/* From the command line: operand 0 and the options of `session request`. Borrows its texts. */
TL_MUST_CHECK int tl_session_wish_read(const struct tl_cli *cli, struct tl_session_wish *ret_wish,
				       struct tl_err *err);
/* Signs and asks; the caller owns *ret_session, as POST /v1/sessions answers. */
TL_MUST_CHECK int tl_session_wish_ask(struct tl_api *api, const struct tl_session_wish *wish,
				      json_t **ret_session, struct tl_err *err);

#endif
