/* What the endpoint says of a session: the decision and the end. */
#include <stddef.h>
#include <stdio.h>
#include <towline/jwt.h>
#include <towline/log.h>
#include <towline/str.h>

#include "desk/desk.h"
#include "desk/handlers.h"
#include "desk/host.h"
#include "desk/session_fact.h"

#define BYTES_MAX ((int64_t)1 << 60)

/* ---- decision --------------------------------------------------------------------------------- */

struct decision_call {
	const char *decision, *reason, *consent; /* as sent */
	const struct tl_http_call *call;
	const char *session;
	struct tl_session_row row;
	char scopes[64]; /* agreed to, "" for all that was asked */
	struct tl_problem problem;
};

static const struct tl_json_member decision_members[] = {
	{"decision", TL_JSON_NAME, true, offsetof(struct decision_call, decision), 0, 16},
	{"reason", TL_JSON_TEXT, false, offsetof(struct decision_call, reason), 0, 512},
	{"consent", TL_JSON_TEXT, false, offsetof(struct decision_call, consent), 0, 8192},
};

/* The scopes of the receipt, which must lie within those of the grant. */
static int read_scopes(const json_t *claims, struct decision_call *d, struct tl_err *err)
{
	const json_t *list = json_object_get(claims, "scopes"), *item;
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(sizeof d->scopes - 1);
	unsigned asked, agreed;
	size_t i;
	int r;

	if (!list)
		return 0;
	if (json_is_string(list))
		tl_buf_puts(&text, json_string_value(list));
	json_array_foreach(list, i, item)
		tl_buf_printf(&text, "%s%s", i ? "," : "",
			      json_is_string(item) ? json_string_value(item) : "?");
	if ((r = tl_buf_check(&text)) || (r = tl_scopes_parse(tl_buf_str(&text), &agreed, err)) ||
	    (r = tl_scopes_parse(d->row.scopes, &asked, err)))
		return tl_err_set(err, TL_EINVAL, "the receipt's scopes are not valid");
	if (agreed & ~asked)
		return tl_err_set(err, TL_EINVAL, "the receipt agrees to more than was asked");
	tl_buf_reset(&text);
	tl_scopes_write(agreed, &text);
	snprintf(d->scopes, sizeof d->scopes, "%s", tl_buf_str(&text));
	return 0;
}

/* A yes needs the helper's receipt; a no may come without. */
static int check_consent(struct tl_store *store, struct decision_call *d, struct tl_err *err)
{
	tl_auto(tl_key) struct tl_key *key = NULL;
	tl_json *claims = NULL;
	int r;

	if (!d->consent || !*d->consent) {
		d->consent = NULL;
		if (!tl_streq(d->decision, "yes"))
			return 0;
		return tl_err_set(err, TL_EINVAL, "a yes needs the consent receipt");
	}
	if ((r = tl_host_consent_key(store, d->row.host, &key, err)) ||
	    (r = tl_jwt_verify(key, TL_JWT_CONSENT, d->consent, strlen(d->consent), &claims, err)))
		return tl_problem_set(&d->problem, err, 422, "consent-invalid",
				      "the consent receipt is not signed by the host's helper");
	if (!tl_streq(json_string_value(json_object_get(claims, "host")), d->row.host) ||
	    !tl_streq(json_string_value(json_object_get(claims, "what")), "session") ||
	    !tl_streq(json_string_value(json_object_get(claims, "subject")), d->row.id) ||
	    !tl_streq(json_string_value(json_object_get(claims, "decision")), d->decision))
		return tl_problem_set(&d->problem, err, 422, "consent-invalid",
				      "the consent receipt is for something else");
	return read_scopes(claims, d, err);
}

static int note_decision(struct tl_change *change, void *arg, struct tl_err *err)
{
	struct decision_call *d = arg;
	struct tl_session_decision decision = {.decision = d->decision, .reason = d->reason};
	int r;

	if ((r = tl_session_load_own(d->call, change->store, d->session, &d->row, err)) ||
	    (r = check_consent(change->store, d, err)))
		return r;
	decision.consent = d->consent;
	decision.scopes = d->scopes[0] ? d->scopes : NULL;
	return tl_session_decide(change, &d->row, &decision, &d->problem, err);
}

static const struct {
	const char *decision, *sentence;
} refusals[] = {
	{"no", "the user at the host said no"},
	{"policy", "the host's policy refuses the session"},
	{"timeout", "nobody at the host answered in time"},
};

/* The sentence of a refusal, NULL for a yes. TL_EINVAL for a word that is neither. */
static int sentence_of(const char *decision, const char **ret_sentence, struct tl_err *err)
{
	size_t i;

	*ret_sentence = NULL;
	if (tl_streq(decision, "yes"))
		return 0;
	for (i = 0; i < TL_ARRAY_LEN(refusals); i++)
		if (tl_streq(refusals[i].decision, decision)) {
			*ret_sentence = refusals[i].sentence;
			return 0;
		}
	return tl_err_set(err, TL_EINVAL, "decision is \"yes\", \"no\", \"timeout\" or \"policy\"");
}

void tl_session_decided(struct tl_http_call *call)
{
	struct decision_call d = {.call = call, .session = tl_http_param(call, "id")};
	struct tl_err err = TL_ERR_INIT;
	struct tl_change change;
	const char *refusal = NULL;
	char sentence[640];
	int r = tl_json_read(tl_http_json(call), decision_members, TL_ARRAY_LEN(decision_members),
			     &d, &err);

	if (r == 0 && (r = sentence_of(d.decision, &refusal, &err)) == 0) {
		tl_change_init(&change, call, note_decision, &d);
		r = tl_change_run(&change, &err);
	}
	if (r) {
		tl_reply_failure(call, &d.problem, &err);
		return;
	}
	tl_http_reply(call, 204, NULL);
	if (refusal) {
		snprintf(sentence, sizeof sentence, "%s%s%s", refusal, d.reason ? ": " : "",
			 d.reason ? d.reason : "");
		tl_broker_refuse(tl_desk_of(call)->broker, d.row.id, sentence);
	}
}

/* ---- end -------------------------------------------------------------------------------------- */

struct end_call {
	const char *reason;
	int64_t bytes_in, bytes_out;
	const struct tl_http_call *call;
	const char *session;
};

static const struct tl_json_member end_members[] = {
	{"reason", TL_JSON_TEXT, true, offsetof(struct end_call, reason), 0, 512},
	{"bytes_in", TL_JSON_INT, false, offsetof(struct end_call, bytes_in), 0, BYTES_MAX},
	{"bytes_out", TL_JSON_INT, false, offsetof(struct end_call, bytes_out), 0, BYTES_MAX},
};

static int note_end(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct end_call *e = arg;
	const struct tl_session_end end = {.reason = e->reason,
					   .bytes_in = (uint64_t)e->bytes_in,
					   .bytes_out = (uint64_t)e->bytes_out};
	struct tl_session_row row;
	int r = tl_session_load_own(e->call, change->store, e->session, &row, err);

	return r ? r : tl_session_end(change, &row, &end, err);
}

void tl_session_ended_call(struct tl_http_call *call)
{
	struct end_call e = {.call = call, .session = tl_http_param(call, "id")};
	struct tl_desk *desk = tl_desk_of(call);
	struct tl_err err = TL_ERR_INIT;
	struct tl_change change;
	int r = tl_json_read(tl_http_json(call), end_members, TL_ARRAY_LEN(end_members), &e, &err);

	if (r == 0) {
		tl_change_init(&change, call, note_end, &e);
		r = tl_change_run(&change, &err);
	}
	if (r) {
		tl_reply_failure(call, NULL, &err);
		return;
	}
	tl_broker_refuse(desk->broker, e.session, e.reason);
	if (tl_broker_stop_session(desk->broker, e.session, e.reason) == 0)
		tl_log_info("session ended by the endpoint", TL_S("session", e.session));
	tl_http_reply(call, 204, NULL);
}
