/* /v1/me/ssh-certificates: a certificate for a working day, for who shows a token and, where one is asked for, a
 * code. */
#include <stddef.h>
#include <towline/str.h>

#include "desk/desk.h"
#include "desk/factor_api.h"
#include "desk/handlers.h"
#include "desk/ssh_ca.h"

struct wish {
	struct tl_ssh_ca_wish wish;
	const char *code;
	bool bound; /* to the address that asks */
	struct tl_buf *line;
	struct tl_ssh_ca_issued issued;
};

static const struct tl_json_member members[] = {
	{"key", TL_JSON_TEXT, true, offsetof(struct wish, wish.key_line), 1, 8192},
	{"code", TL_JSON_TEXT, false, offsetof(struct wish, code), 1, 64},
	{"life_s", TL_JSON_INT, false, offsetof(struct wish, wish.life_s), 60, 7 * 86400},
	{"bound", TL_JSON_BOOL, false, offsetof(struct wish, bound), 0, 0},
};

static int issue(struct tl_change *change, void *arg, struct tl_err *err)
{
	struct wish *wish = arg;

	return tl_ssh_ca_issue(change, &wish->wish, wish->line, &wish->issued, err);
}

static int ask(struct tl_http_call *call, struct wish *wish, struct tl_factor_answer *answer,
	       struct tl_err *err)
{
	const struct tl_desk *desk = tl_desk_of(call);
	const struct tl_principal *me = tl_http_principal(call);
	struct tl_change change;
	int r;

	if (!desk->ssh_ca)
		return tl_problem_set(&answer->problem, err, 404, "no-ssh-authority",
				      "this relay issues no SSH certificates (towline-relay ca "
				      "create)");
	if ((r = tl_json_read(tl_http_json(call), members, TL_ARRAY_LEN(members), wish, err)) ||
	    (r = tl_factor_of_call(call, desk->factor_rule, wish->code, answer, err)))
		return r;
	wish->wish.authority = desk->ssh_ca;
	wish->wish.user = me->id;
	wish->wish.login = me->login;
	wish->wish.second_factor = answer->checked;
	wish->wish.source = wish->bound ? tl_http_peer(call) : NULL;
	if (wish->wish.life_s > desk->ssh_certificate_s)
		return tl_problem_set(&answer->problem, err, 422, "life-too-long",
				      "certificates of this relay live for %lld seconds at most",
				      (long long)desk->ssh_certificate_s);
	tl_change_init(&change, call, issue, wish);
	return tl_change_run(&change, err);
}

void tl_ssh_certificate_create_call(struct tl_http_call *call)
{
	tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(TL_SSH_CA_LINE_MAX);
	struct wish wish = {.wish = {.life_s = tl_desk_of(call)->ssh_certificate_s}, .line = &line};
	struct tl_factor_answer answer = {.checked = false};
	struct tl_err err = TL_ERR_INIT;
	char expires[TL_TIME_TEXT];

	if (ask(call, &wish, &answer, &err)) {
		tl_reply_failure(call, &answer.problem, &err);
		return;
	}
	tl_time_rfc3339(wish.issued.expires_ms, expires);
	tl_http_reply(call, 201,
		      json_pack("{s:s, s:I, s:s, s:s}", "certificate", tl_buf_str(&line), "serial",
				(json_int_t)wish.issued.serial, "key_id", wish.issued.key_id,
				"expires", expires));
}
