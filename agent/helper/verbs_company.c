/* Who else is at a session, and what they may: watchers, the second engineer, pauses, more time. */
#include <stdio.h>
#include <string.h>
#include <towline/str.h>

#include "helper/verbs.h"

struct company_args {
	const char *session, *second, *by;
	json_t *watchers;
	int64_t minutes;
	bool paused;
};

#define AT(member) offsetof(struct company_args, member)

/* {"held"?}: why nothing may pass yet. From now on the connection hears what changes. */
int tl_verb_session_attach(void *app, struct tl_ask *ask, struct tl_err *err)
{
	static const struct tl_json_member members[] = {
		{"session", TL_JSON_ID, true, AT(session)},
	};
	struct company_args args = {.session = NULL};
	struct tl_session *session = NULL;
	int rc = tl_json_read(ask->args, members, TL_ARRAY_LEN(members), &args, err);

	if (rc == 0)
		rc = tl_verb_session(app, args.session, &session, err);
	if (rc == 0 && session->state != TL_SESSION_ACTIVE)
		rc = tl_err_set(err, TL_ECONFLICT, "the session is not open");
	if (rc != 0)
		return rc;
	session->attached = ask->conn;
	tl_ask_reply(ask, json_pack("{s:s?}", "held", tl_company_hold(&session->company)), NULL, 0);
	return 0;
}

/* Who watches is named on terminals: no text of theirs moves a cursor. */
static void copy_printable(char *to, size_t size, const char *text)
{
	tl_auto(tl_buf) struct tl_buf clean = TL_BUF_INIT(4096);

	tl_str_printable(&clean, text, strlen(text));
	snprintf(to, size, "%s", tl_buf_str(&clean));
}

static int read_watcher(const json_t *json, struct tl_watcher *watcher, struct tl_err *err)
{
	static const struct tl_json_member members[] = {
		{"login", TL_JSON_NAME, true, 0, 0, sizeof(watcher->login) - 1},
		{"name", TL_JSON_TEXT, true, sizeof(char *), 1, sizeof(watcher->name) - 1},
	};
	const char *texts[2] = {NULL, NULL};
	int rc = tl_json_read(json, members, TL_ARRAY_LEN(members), texts, err);

	if (rc != 0)
		return rc;
	snprintf(watcher->login, sizeof(watcher->login), "%s", texts[0]);
	copy_printable(watcher->name, sizeof(watcher->name), texts[1]);
	return 0;
}

int tl_verb_session_company(void *app, struct tl_ask *ask, struct tl_err *err)
{
	static const struct tl_json_member members[] = {
		{"second", TL_JSON_TEXT, false, AT(second), 0, 8192},
		{"session", TL_JSON_ID, true, AT(session)},
		{"watchers", TL_JSON_ARRAY, true, AT(watchers), 0, 64},
	};
	struct tl_watcher watchers[TL_COMPANY_MAX];
	struct company_args args = {.session = NULL};
	struct tl_session *session = NULL;
	size_t count = 0;
	int rc = tl_json_read(ask->args, members, TL_ARRAY_LEN(members), &args, err);

	if (rc == 0)
		rc = tl_verb_session(app, args.session, &session, err);
	while (rc == 0 && count < json_array_size(args.watchers) && count < TL_COMPANY_MAX) {
		rc = read_watcher(json_array_get(args.watchers, count), &watchers[count], err);
		count += rc == 0;
	}
	if (rc == 0)
		rc = tl_session_company(session, watchers, count, args.second, err);
	if (rc == 0)
		tl_ask_reply(ask, NULL, NULL, 0);
	return rc;
}

/* The relay's pause: `by` absent lifts it. */
int tl_verb_session_hold(void *app, struct tl_ask *ask, struct tl_err *err)
{
	static const struct tl_json_member members[] = {
		{"by", TL_JSON_TEXT, false, AT(by), 1, 150},
		{"session", TL_JSON_ID, true, AT(session)},
	};
	struct company_args args = {.by = NULL};
	struct tl_session *session = NULL;
	char by[160];
	int rc = tl_json_read(ask->args, members, TL_ARRAY_LEN(members), &args, err);

	if (rc == 0)
		rc = tl_verb_session(app, args.session, &session, err);
	if (rc != 0)
		return rc;
	copy_printable(by, sizeof(by), args.by ? args.by : "");
	tl_session_pause(session, TL_PAUSE_RELAY, args.by ? by : NULL);
	tl_ask_reply(ask, NULL, NULL, 0);
	return 0;
}

int tl_verb_session_pause(void *app, struct tl_ask *ask, struct tl_err *err)
{
	static const struct tl_json_member members[] = {
		{"paused", TL_JSON_BOOL, true, AT(paused)},
		{"session", TL_JSON_ID, true, AT(session)},
	};
	struct company_args args = {.session = NULL};
	struct tl_session *session = NULL;
	char user[128];
	int rc = tl_json_read(ask->args, members, TL_ARRAY_LEN(members), &args, err);

	if (rc == 0)
		rc = tl_verb_may_decide(app, ask, err);
	if (rc == 0)
		rc = tl_verb_session(app, args.session, &session, err);
	if (rc != 0)
		return rc;
	tl_user_name(ask->peer.uid, user, sizeof(user));
	tl_session_pause(session, TL_PAUSE_PERSON, args.paused ? user : NULL);
	tl_ask_reply(ask, NULL, NULL, 0);
	return 0;
}

int tl_verb_session_extend(void *app, struct tl_ask *ask, struct tl_err *err)
{
	static const struct tl_json_member members[] = {
		{"minutes", TL_JSON_INT, true, AT(minutes), 1, 720},
		{"session", TL_JSON_ID, true, AT(session)},
	};
	struct company_args args = {.session = NULL};
	struct tl_session *session = NULL;
	char user[128], ends[TL_TIME_TEXT];
	int rc = tl_json_read(ask->args, members, TL_ARRAY_LEN(members), &args, err);

	if (rc == 0)
		rc = tl_verb_may_decide(app, ask, err);
	if (rc == 0)
		rc = tl_verb_session(app, args.session, &session, err);
	tl_user_name(ask->peer.uid, user, sizeof(user));
	if (rc == 0)
		rc = tl_session_extend(session, args.minutes, user, err);
	if (rc != 0)
		return rc;
	tl_time_rfc3339(session->ends_ms, ends);
	tl_ask_reply(ask, json_pack("{s:s}", "ends", ends), NULL, 0);
	return 0;
}
