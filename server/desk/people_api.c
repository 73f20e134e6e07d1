/* /v1/me, /v1/users, tokens. */
#include <stddef.h>
#include <stdio.h>
#include <towline/str.h>

#include "desk/desk.h"
#include "desk/handlers.h"
#include "desk/people.h"
#include "desk/reply.h"

#define LIFE_MAX_S ((int64_t)10 * 366 * 86400)

void tl_me_show(struct tl_http_call *call)
{
	const struct tl_principal *me = tl_http_principal(call);
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	struct tl_err err = TL_ERR_INIT;

	if (tl_store_row(tl_desk_store(call), "SELECT name FROM app_user WHERE id = $1",
			 TL_ARGS(TL_ARG_TEXT(me->id)), &row, &err)) {
		tl_reply_failure(call, NULL, &err);
		return;
	}
	tl_http_reply(call, 200,
		      json_pack("{s:s, s:s, s:s, s:o}", "id", me->id, "login", me->login, "name",
				tl_rows_text(row, 0), "roles", tl_roles_list(me->role)));
}

void tl_user_list_call(struct tl_http_call *call)
{
	struct tl_err err = TL_ERR_INIT;
	json_t *users;

	if (tl_user_list(tl_desk_store(call), &users, &err))
		tl_reply_failure(call, NULL, &err);
	else
		tl_http_reply(call, 200, json_pack("{s:o, s:n}", "items", users, "next"));
}

/* ---- what is made ----------------------------------------------------------------------------- */

struct making {
	const char *login, *name, *roles, *key; /* as sent */
	int64_t life_s;
	unsigned role_bits;
	char id[TL_ID_LEN + 1];
	char token[TL_TOKEN_TEXT_MAX];
	const struct tl_desk *desk;
	struct tl_buf *line;
};

static const struct tl_json_member user_members[] = {
	{"login", TL_JSON_NAME, true, offsetof(struct making, login), 0, 64},
	{"name", TL_JSON_TEXT, true, offsetof(struct making, name), 0, 128},
	{"roles", TL_JSON_TEXT, true, offsetof(struct making, roles), 0, 128},
};
static const struct tl_json_member key_members[] = {
	{"key", TL_JSON_TEXT, true, offsetof(struct making, key), 0, 4096},
};
static const struct tl_json_member token_members[] = {
	{"name", TL_JSON_TEXT, false, offsetof(struct making, name), 0, 128},
	{"life_s", TL_JSON_INT, false, offsetof(struct making, life_s), 1, LIFE_MAX_S},
};
static const struct tl_json_member enrol_members[] = {
	{"life_s", TL_JSON_INT, false, offsetof(struct making, life_s), 1,
	 TL_ENROL_LIFE_MAX_MS / 1000},
};

static int run(struct tl_http_call *call, struct making *making,
	       int (*body)(struct tl_change *, void *, struct tl_err *), struct tl_err *err)
{
	struct tl_change change;

	tl_change_init(&change, call, body, making);
	return tl_change_run(&change, err);
}

static int add_user(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct making *m = arg;

	return tl_user_add(change, &(struct tl_user_new){m->login, m->name, m->role_bits}, err);
}

void tl_user_create_call(struct tl_http_call *call)
{
	struct making m = {.login = NULL};
	struct tl_err err = TL_ERR_INIT;

	if (tl_json_read(tl_http_json(call), user_members, TL_ARRAY_LEN(user_members), &m, &err) ||
	    tl_roles_parse(m.roles, &m.role_bits, &err) || run(call, &m, add_user, &err))
		tl_reply_failure(call, NULL, &err);
	else
		tl_http_reply(call, 201, json_pack("{s:s}", "login", m.login));
}

static int add_key(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct making *m = arg;

	return tl_user_key_add(change, m->login, m->key, err);
}

void tl_user_key_create_call(struct tl_http_call *call)
{
	struct making m = {.login = tl_http_param(call, "login")};
	struct tl_err err = TL_ERR_INIT;

	if (tl_json_read(tl_http_json(call), key_members, TL_ARRAY_LEN(key_members), &m, &err) ||
	    run(call, &m, add_key, &err))
		tl_reply_failure(call, NULL, &err);
	else
		tl_http_reply(call, 201, json_pack("{s:s}", "login", m.login));
}

struct taking {
	const char *login, *fingerprint; /* fingerprint NULL: everything */
};

static int take_away(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct taking *taking = arg;

	return taking->fingerprint
		       ? tl_user_key_remove(change, taking->login, taking->fingerprint, err)
		       : tl_user_disable(change, taking->login, err);
}

static void take(struct tl_http_call *call, struct taking *taking)
{
	struct tl_err err = TL_ERR_INIT;
	struct tl_change change;

	tl_change_init(&change, call, take_away, taking);
	if (tl_change_run(&change, &err))
		tl_reply_failure(call, NULL, &err);
	else
		tl_http_reply(call, 204, NULL);
}

void tl_user_key_remove_call(struct tl_http_call *call)
{
	struct taking taking = {tl_http_param(call, "login"), tl_http_query(call, "fingerprint")};

	if (!taking.fingerprint)
		tl_http_problem(call, 400, "invalid", "which key? give ?fingerprint=SHA256:…");
	else
		take(call, &taking);
}

void tl_user_disable_call(struct tl_http_call *call)
{
	struct taking taking = {.login = tl_http_param(call, "login")};

	take(call, &taking);
}

static int add_token(struct tl_change *change, void *arg, struct tl_err *err)
{
	struct making *m = arg;
	int64_t expires_ms = m->life_s ? change->now_ms + m->life_s * 1000 : 0;

	return tl_api_token_create(change, m->login, m->name, expires_ms, m->id, m->token, err);
}

/* One's own, or any as admin. */
static bool may_act_for(const struct tl_http_call *call, const char *login)
{
	const struct tl_principal *me = tl_http_principal(call);

	return (me->role & TL_ROLE_ADMIN) || tl_streq(me->login, login);
}

void tl_user_token_create_call(struct tl_http_call *call)
{
	struct making m = {.login = tl_http_param(call, "login"), .name = ""};
	struct tl_err err = TL_ERR_INIT;

	if (!may_act_for(call, m.login)) {
		tl_http_problem(call, 403, "not-yours", "only an admin makes tokens for others");
		return;
	}
	if (tl_json_read(tl_http_json(call), token_members, TL_ARRAY_LEN(token_members), &m,
			 &err) ||
	    run(call, &m, add_token, &err)) {
		tl_reply_failure(call, NULL, &err);
		return;
	}
	tl_http_add_header(call, "Cache-Control", "no-store");
	tl_http_reply(call, 201, json_pack("{s:s, s:s}", "id", m.id, "token", m.token));
	tl_wipe(m.token, sizeof m.token);
}

struct revoking {
	const char *id, *login;
};

static int revoke_token(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct revoking *revoking = arg;

	return tl_api_token_revoke(change, revoking->id, revoking->login, err);
}

void tl_token_revoke_call(struct tl_http_call *call)
{
	const struct tl_principal *me = tl_http_principal(call);
	struct revoking revoking = {.id = tl_http_param(call, "id"),
				    .login = me->role & TL_ROLE_ADMIN ? NULL : me->login};
	struct tl_err err = TL_ERR_INIT;
	struct tl_change change;

	tl_change_init(&change, call, revoke_token, &revoking);
	if (tl_change_run(&change, &err))
		tl_reply_failure(call, NULL, &err);
	else
		tl_http_reply(call, 204, NULL);
}

static int add_enrol_token(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct making *m = arg;
	const struct tl_enrol_token_new wanted = {m->desk->public_url, m->desk->ca_sha256,
						  m->life_s * 1000, m->desk->roster_key};

	return tl_enrol_token_create(change, &wanted, m->line, err);
}

void tl_enrolment_token_create_call(struct tl_http_call *call)
{
	tl_auto(tl_buf) struct tl_buf line = TL_BUF_SECRET_INIT(4096);
	struct making m = {.life_s = TL_ENROL_LIFE_MS / 1000,
			   .desk = tl_desk_of(call),
			   .line = &line};
	struct tl_err err = TL_ERR_INIT;

	if (tl_json_read(tl_http_json(call), enrol_members, TL_ARRAY_LEN(enrol_members), &m,
			 &err) ||
	    run(call, &m, add_enrol_token, &err)) {
		tl_reply_failure(call, NULL, &err);
		return;
	}
	tl_http_add_header(call, "Cache-Control", "no-store");
	tl_http_reply(call, 201, json_pack("{s:s}", "token", tl_buf_str(&line)));
}
