/* Enrolment: a one-time token makes a public key a host. */
#include <stddef.h>
#include <stdio.h>
#include <towline/jwt.h>
#include <towline/log.h>
#include <towline/str.h>

#include "desk/change.h"
#include "desk/desk.h"
#include "desk/handlers.h"
#include "desk/reply.h"

#define NAME_TRIES 100 /* "web", "web-2", … "web-100" */

struct enrolment {
	/* as asked */
	const char *secret, *name, *public_key, *ssh_host_key, *agent_version, *proof, *consent_key;
	/* derived */
	char secret_sha256[TL_SHA256_HEX];
	char key_id[TL_KEY_ID_LEN + 1];
	struct tl_key *key;
	/* outcome */
	struct tl_problem problem;
	char host[TL_ID_LEN + 1], host_name[256];
};

#define MEMBER(field, member_type, needed, longest) \
	{ \
		.name = #field, .type = member_type, .required = needed, \
		.offset = offsetof(struct enrolment, field), .max = longest \
	}

static const struct tl_json_member members[] = {
	MEMBER(secret, TL_JSON_TEXT, true, 64),
	MEMBER(name, TL_JSON_NAME, true, 200),
	MEMBER(public_key, TL_JSON_TEXT, true, 64),
	MEMBER(ssh_host_key, TL_JSON_TEXT, true, 1000),
	MEMBER(agent_version, TL_JSON_TEXT, true, 64),
	MEMBER(proof, TL_JSON_TEXT, true, 4096),
	MEMBER(consent_key, TL_JSON_TEXT, false, 64),
};

static int read_public_key(const char *text, struct tl_key **ret_key)
{
	tl_auto(tl_buf) struct tl_buf raw = TL_BUF_INIT(TL_ED25519_PUBLIC_LEN);

	if (tl_base64url_decode(&raw, text, strlen(text)) || tl_buf_check(&raw) ||
	    raw.len != TL_ED25519_PUBLIC_LEN)
		return TL_EINVAL;
	return tl_key_from_public((const uint8_t *)raw.data, ret_key, NULL);
}

/* The proof shows that the sender holds the private key and means this relay and this token. */
static int check_proof(const struct tl_desk *desk, struct enrolment *e, struct tl_err *err)
{
	tl_json *claims = NULL;
	int r;

	if (tl_jwt_verify(e->key, TL_JWT_ASSERTION, e->proof, strlen(e->proof), &claims, NULL))
		return tl_problem_set(&e->problem, err, 403, "enrolment-proof-invalid",
				      "the proof is not signed by public_key");
	if ((r = tl_jwt_check_times(claims, desk->clock, err)))
		return r;
	if (!tl_streq(json_string_value(json_object_get(claims, "aud")), desk->relay_id) ||
	    !tl_streq(json_string_value(json_object_get(claims, "sha256")), e->secret_sha256))
		return tl_problem_set(&e->problem, err, 403, "enrolment-proof-invalid",
				      "the proof is not meant for this relay and this token");
	return 0;
}

/* Sessions are asked for by a host's name, its id or a ticket's number: none may pass for another. */
static int check_name(const char *name, struct tl_err *err)
{
	bool is_number = (name[0] == 'T' || name[0] == 't') && name[1] == '-' && name[2] &&
			 strspn(name + 2, "0123456789") == strlen(name + 2);

	if (!is_number && !tl_id_is_valid(name))
		return 0;
	return tl_err_set(err, TL_EINVAL,
			  "\"%s\" looks like a ticket or an id: enrol under another name", name);
}

static int check_request(const struct tl_desk *desk, struct enrolment *e, struct tl_err *err)
{
	tl_auto(tl_key) struct tl_key *consent_key = NULL;
	int r = check_name(e->name, err);

	if (r)
		return r;

	if (read_public_key(e->public_key, &e->key))
		return tl_err_set(err, TL_EINVAL,
				  "member \"public_key\" is not an Ed25519 key in base64url");
	if (e->consent_key && read_public_key(e->consent_key, &consent_key))
		return tl_err_set(err, TL_EINVAL,
				  "member \"consent_key\" is not an Ed25519 key in base64url");
	if (!tl_str_starts(e->ssh_host_key, "ssh-ed25519 ") || strpbrk(e->ssh_host_key, "\r\n"))
		return tl_err_set(err, TL_EINVAL,
				  "member \"ssh_host_key\" is not an ssh-ed25519 line");
	tl_key_id(e->key, e->key_id);
	tl_sha256_hex_of(e->secret, strlen(e->secret), e->secret_sha256);
	return check_proof(desk, e, err);
}

/* The token of this secret must be good. TL_EEXIST: this very key used it before, e->host says for
 * which host: the first reply was lost. */
static int check_token(struct tl_change *change, struct enrolment *e, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	int r = tl_store_row(
		change->store,
		"SELECT t.expires_ms, t.key_id, h.id, h.name, h.state FROM enrolment_token t "
		"LEFT JOIN host h ON h.id = t.host_id WHERE t.secret_sha256 = $1",
		TL_ARGS(TL_ARG_TEXT(e->secret_sha256)), &row, err);

	if (r == TL_ENOENT)
		return tl_problem_set(&e->problem, err, 403, "enrolment-token-unknown",
				      "this enrolment token is unknown here");
	if (r)
		return r;
	if (!tl_rows_is_null(row, 2)) {
		if (!tl_streq(tl_rows_text(row, 1), e->key_id) ||
		    !tl_streq(tl_rows_text(row, 4), "active"))
			return tl_problem_set(&e->problem, err, 403, "enrolment-token-used",
					      "this enrolment token was used; ask for a new one");
		snprintf(e->host, sizeof e->host, "%s", tl_rows_text(row, 2));
		snprintf(e->host_name, sizeof e->host_name, "%s", tl_rows_text(row, 3));
		return TL_EEXIST;
	}
	if (tl_rows_int(row, 0) <= change->now_ms)
		return tl_problem_set(&e->problem, err, 403, "enrolment-token-expired",
				      "this enrolment token has expired; ask for a new one");
	return 0;
}

static int exists(struct tl_store *store, const char *sql, const char *value, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	int r = tl_store_row(store, sql, TL_ARGS(TL_ARG_TEXT(value)), &row, err);

	return r == 0 ? 1 : r == TL_ENOENT ? 0 : r;
}

/* Host names are unique here; a second "web" becomes "web-2". */
static int choose_name(struct tl_change *change, struct enrolment *e, struct tl_err *err)
{
	int i, r = 1;

	snprintf(e->host_name, sizeof e->host_name, "%s", e->name);
	for (i = 2; i <= NAME_TRIES; i++) {
		r = exists(change->store,
			   "SELECT 1 FROM host WHERE lower(name) = lower(CAST($1 AS TEXT))",
			   e->host_name, err);
		if (r <= 0)
			return r;
		snprintf(e->host_name, sizeof e->host_name, "%.200s-%d", e->name, i);
	}
	return tl_problem_set(&e->problem, err, 409, "host-name-in-use",
			      "too many hosts are called %s; enrol under another name", e->name);
}

static int insert_host(struct tl_change *change, struct enrolment *e, struct tl_err *err)
{
	struct tl_id id = tl_id_new(change->clock);
	int r;

	snprintf(e->host, sizeof e->host, "%s", id.text);
	if ((r = tl_store_exec(change->store,
			       "INSERT INTO host (id, organisation_id, name, public_key, key_id, "
			       "ssh_host_key, consent_key, agent_version, enrolled_ms, address) "
			       "SELECT $1, min(o.id), $2, $3, $4, $5, $6, $7, $8, $9 "
			       "FROM organisation o",
			       TL_ARGS(TL_ARG_TEXT(e->host), TL_ARG_TEXT(e->host_name),
				       TL_ARG_TEXT(e->public_key), TL_ARG_TEXT(e->key_id),
				       TL_ARG_TEXT(e->ssh_host_key), TL_ARG_TEXT(e->consent_key),
				       TL_ARG_TEXT(e->agent_version), TL_ARG_INT(change->now_ms),
				       TL_ARG_TEXT(change->address)),
			       NULL, err)))
		return r;
	return tl_store_exec(change->store,
			     "UPDATE enrolment_token SET used_ms = $2, host_id = $3, key_id = $4 "
			     "WHERE secret_sha256 = $1",
			     TL_ARGS(TL_ARG_TEXT(e->secret_sha256), TL_ARG_INT(change->now_ms),
				     TL_ARG_TEXT(e->host), TL_ARG_TEXT(e->key_id)),
			     NULL, err);
}

static int enrol(struct tl_change *change, void *arg, struct tl_err *err)
{
	struct enrolment *e = arg;
	int r = check_token(change, e, err);

	if (r == TL_EEXIST)
		return 0;
	if (r)
		return r;
	r = exists(change->store, "SELECT 1 FROM host WHERE key_id = $1", e->key_id, err);
	if (r > 0)
		return tl_problem_set(&e->problem, err, 409, "key-in-use",
				      "another host has this key; make a new one and enrol again");
	if (r < 0 || (r = choose_name(change, e, err)) || (r = insert_host(change, e, err)))
		return r;
	return tl_change_tell(change,
			      &(struct tl_fact){.action = "host.enrol",
						.object_kind = "host",
						.object = e->host,
						.detail = json_pack("{s:s, s:s}", "name",
								    e->host_name, "key_id",
								    e->key_id)},
			      err);
}

static void reply(struct tl_http_call *call, const struct enrolment *e)
{
	const struct tl_desk *desk = tl_desk_of(call);
	tl_auto(tl_buf) struct tl_buf authority = TL_BUF_INIT(64);
	uint8_t public[TL_ED25519_PUBLIC_LEN];

	tl_key_public(desk->authority, public);
	tl_base64url_encode(&authority, public, sizeof public);
	tl_log_info("host enrolled", TL_S("host", e->host), TL_S("name", e->host_name),
		    TL_S("peer", tl_http_peer(call)));
	tl_http_reply(call, 201,
		      json_pack("{s:s, s:s, s:s, s:s}", "host_id", e->host, "relay_id",
				desk->relay_id, "authority_key", tl_buf_str(&authority), "name",
				e->host_name));
}

void tl_enrol(struct tl_http_call *call)
{
	struct tl_desk *desk = tl_desk_of(call);
	struct enrolment e = {.secret = NULL};
	struct tl_err err = TL_ERR_INIT;
	struct tl_change change;
	int r;

	if (tl_reply_throttled(call, tl_http_peer(call)))
		return;
	tl_change_init(&change, call, enrol, &e);
	change.actor_kind = "host";
	r = tl_json_read(tl_http_json(call), members, TL_ARRAY_LEN(members), &e, &err);
	if (r == 0)
		r = check_request(desk, &e, &err);
	if (r == 0) {
		change.actor = e.name;
		r = tl_change_run(&change, &err);
	}
	tl_key_free(e.key);
	if (r == 0) {
		reply(call, &e);
	} else if (r == TL_EEXPIRED) {
		tl_reply_clock_skew(call, tl_err_text(&err));
	} else {
		if (r == TL_EDENIED)
			tl_throttle_failed(desk->throttle, tl_http_peer(call));
		tl_log_warning("enrolment refused", TL_S("peer", tl_http_peer(call)), TL_ERR(&err));
		tl_reply_failure(call, &e.problem, &err);
	}
}
