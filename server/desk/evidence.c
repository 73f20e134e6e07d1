/* What is left of a session for those who ask later: its note, and what proves its recording. */
#include <stddef.h>
#include <stdio.h>
#include <towline/str.h>

#include "desk/desk.h"
#include "desk/handlers.h"
#include "desk/session_fact.h"

#define NOTE_MAX 4096

/* ---- the note --------------------------------------------------------------------------------- */

struct note {
	const char *session, *text;
};

static const struct tl_json_member note_members[] = {
	{"text", TL_JSON_TEXT, true, offsetof(struct note, text), 0, NOTE_MAX},
};

/* The row has the newest note, the timeline all of them. */
static int add_note(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct note *note = arg;
	struct tl_session_row row;
	int r = tl_session_load(change->store, note->session, &row, err);

	return r ? r : tl_session_note(change, &row, note->text, err);
}

void tl_session_note_call(struct tl_http_call *call)
{
	struct note note = {.session = tl_http_param(call, "id")};
	struct tl_err err = TL_ERR_INIT;
	struct tl_change change;
	int r = tl_json_read(tl_http_json(call), note_members, TL_ARRAY_LEN(note_members), &note,
			     &err);

	if (r == 0 && !note.text[0])
		r = tl_err_set(&err, TL_EINVAL, "member \"text\" must not be empty");
	if (r == 0) {
		tl_change_init(&change, call, add_note, &note);
		r = tl_change_run(&change, &err);
	}
	if (r)
		tl_reply_failure(call, NULL, &err);
	else
		tl_http_reply(call, 201, json_pack("{s:s}", "text", note.text));
}

/* ---- the proof -------------------------------------------------------------------------------- */

static json_t *key_list(const struct tl_rows *row)
{
	json_t *keys = json_array();

	for (int column = 2; column < 4; column++)
		if (!tl_rows_is_null(row, column))
			json_array_append_new(keys, json_string(tl_rows_text(row, column)));
	return keys;
}

/* Keys and signatures, nothing of the recording itself. */
void tl_session_proof(struct tl_http_call *call)
{
	const struct tl_desk *desk = tl_desk_of(call);
	tl_auto(tl_buf) struct tl_buf authority = TL_BUF_INIT(64);
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	struct tl_err err = TL_ERR_INIT;
	uint8_t public[TL_ED25519_PUBLIC_LEN];
	tl_json *facts = NULL;
	json_t *proof;

	if (tl_store_row(tl_desk_store(call),
			 "SELECT s.id, h.id, h.public_key, h.consent_key, s.recording_facts "
			 "FROM session s JOIN host h ON h.id = s.host_id "
			 "WHERE s.id = $1 AND s.recording_blob IS NOT NULL",
			 TL_ARGS(TL_ARG_TEXT(tl_http_param(call, "id"))), &row, &err)) {
		tl_reply_failure(call, NULL, &err);
		return;
	}
	tl_key_public(desk->authority, public);
	tl_base64url_encode(&authority, public, sizeof public);
	facts = tl_row_json(row, 4);
	proof = json_pack("{s:s, s:s, s:s, s:s, s:o}", "session", tl_rows_text(row, 0), "relay",
			  desk->relay_id, "relay_key", tl_buf_str(&authority), "host",
			  tl_rows_text(row, 1), "host_keys", key_list(row));
	tl_json_set(proof, "countersignature",
		    json_incref(json_object_get(facts, "countersignature")));
	tl_http_reply(call, 200, proof);
}
