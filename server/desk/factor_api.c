/* /v1/me/second-factor: one's own. Who has one shows a code of it to get another. */
#include <stddef.h>
#include <towline/str.h>

#include "desk/desk.h"
#include "desk/factor_api.h"
#include "desk/handlers.h"

struct asking {
	const struct tl_desk *desk;
	const char *login, *code; /* code NULL: none was sent */
	struct tl_buf *uri;
	struct tl_strv *recovery_codes;
};

static const struct tl_json_member begin_members[] = {
	{"code", TL_JSON_TEXT, false, offsetof(struct asking, code), 1, 64},
};
static const struct tl_json_member confirm_members[] = {
	{"code", TL_JSON_TEXT, true, offsetof(struct asking, code), 1, 64},
};

int tl_factor_of_call(struct tl_http_call *call, enum tl_factor_rule rule, const char *code,
		      struct tl_factor_answer *answer, struct tl_err *err)
{
	const struct tl_desk *desk = tl_desk_of(call);
	const struct tl_principal *me = tl_http_principal(call);
	const struct tl_factor_try asked = {me->id, me->login, code, tl_http_peer(call)};
	int r = tl_factor_needed(tl_desk_store(call), rule, me->id, &answer->checked, err);

	if (r == TL_EAUTH)
		return tl_problem_set(&answer->problem, err, 403, "second-factor-missing", "%s",
				      tl_err_text(err));
	if (r || !answer->checked)
		return r;
	if (!code)
		return tl_problem_set(&answer->problem, err, 403, "second-factor-required",
				      "this needs a code of your second factor");
	r = tl_factor_check(tl_desk_store(call), desk->clock, &desk->vault, &asked, err);
	return r == TL_EAUTH ? tl_problem_set(&answer->problem, err, 403, "second-factor-wrong",
					      "%s", tl_err_text(err))
			     : r;
}

static int begin(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct asking *asking = arg;

	return tl_factor_begin(change, &asking->desk->vault, asking->login, asking->desk->name,
			       asking->uri, err);
}

static int confirm(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct asking *asking = arg;

	return tl_factor_confirm(change, &asking->desk->vault, asking->login, asking->code,
				 asking->recovery_codes, err);
}

static int run(struct tl_http_call *call, struct asking *asking,
	       int (*body)(struct tl_change *, void *, struct tl_err *), struct tl_err *err)
{
	struct tl_change change;

	tl_change_init(&change, call, body, asking);
	return tl_change_run(&change, err);
}

void tl_factor_begin_call(struct tl_http_call *call)
{
	tl_auto(tl_buf) struct tl_buf uri = TL_BUF_SECRET_INIT(2048);
	struct asking asking = {.desk = tl_desk_of(call),
				.login = tl_http_principal(call)->login,
				.uri = &uri};
	struct tl_factor_answer answer = {.checked = false};
	struct tl_err err = TL_ERR_INIT;

	/* Whatever is asked for at logins: else a stolen token would replace the second factor. */
	if (tl_json_read(tl_http_json(call), begin_members, TL_ARRAY_LEN(begin_members), &asking,
			 &err) ||
	    tl_factor_of_call(call, TL_FACTOR_ENROLLED, asking.code, &answer, &err) ||
	    run(call, &asking, begin, &err)) {
		tl_reply_failure(call, &answer.problem, &err);
		return;
	}
	tl_http_add_header(call, "Cache-Control", "no-store");
	tl_http_reply(call, 201, json_pack("{s:s}", "uri", tl_buf_str(&uri)));
}

static json_t *list_of(const struct tl_strv *texts)
{
	json_t *list = json_array();

	for (size_t i = 0; i < texts->count; i++)
		json_array_append_new(list, json_string(texts->items[i]));
	return list;
}

void tl_factor_confirm_call(struct tl_http_call *call)
{
	tl_auto(tl_strv) struct tl_strv codes = TL_STRV_INIT;
	struct asking asking = {.desk = tl_desk_of(call),
				.login = tl_http_principal(call)->login,
				.recovery_codes = &codes};
	struct tl_problem problem = TL_PROBLEM_INIT;
	struct tl_err err = TL_ERR_INIT;
	int r = tl_json_read(tl_http_json(call), confirm_members, TL_ARRAY_LEN(confirm_members),
			     &asking, &err);

	if (r == 0)
		r = run(call, &asking, confirm, &err);
	if (r == TL_EAUTH)
		r = tl_problem_set(&problem, &err, 403, "second-factor-wrong", "%s",
				   tl_err_text(&err));
	if (r) {
		tl_reply_failure(call, &problem, &err);
		return;
	}
	tl_http_add_header(call, "Cache-Control", "no-store");
	tl_http_reply(call, 200, json_pack("{s:o}", "recovery_codes", list_of(&codes)));
}
