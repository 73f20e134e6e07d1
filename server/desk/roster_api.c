/* /v1/roster: handed on to whoever asks, published by admins. */
#include <stddef.h>
#include <towline/roster.h>

#include "desk/desk.h"
#include "desk/handlers.h"
#include "desk/reply.h"
#include "desk/roster.h"

void tl_roster_show_call(struct tl_http_call *call)
{
	struct tl_err err = TL_ERR_INIT;
	json_t *document;

	if (tl_roster_newest(tl_desk_store(call), &document, &err))
		tl_reply_failure(call, NULL, &err);
	else
		tl_http_reply(call, 200, document);
}

struct publishing {
	struct tl_roster_text text;
	const char *pinned;
};

static const struct tl_json_member members[] = {
	{"roster", TL_JSON_TEXT, true, offsetof(struct publishing, text.roster), 1, TL_ROSTER_MAX},
	{"signature", TL_JSON_TEXT, true, offsetof(struct publishing, text.signature), 1,
	 TL_SSHSIG_MAX},
};

static int publish(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct publishing *publishing = arg;

	return tl_roster_publish(change, publishing->pinned, &publishing->text, err);
}

void tl_roster_publish_call(struct tl_http_call *call)
{
	struct publishing publishing = {.pinned = tl_desk_of(call)->roster_key};
	struct tl_err err = TL_ERR_INIT;
	struct tl_change change;

	tl_change_init(&change, call, publish, &publishing);
	if (tl_json_read(tl_http_json(call), members, TL_ARRAY_LEN(members), &publishing, &err) ||
	    tl_change_run(&change, &err))
		tl_reply_failure(call, NULL, &err);
	else
		tl_http_reply(call, 204, NULL);
}
