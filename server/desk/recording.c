/* Taking in a recording that the endpoint made (end-to-end lane): its chain and seal are verified, and
 * the relay signs what it received and when. A broken recording is evidence too: it is kept, with the
 * reason beside it. */
#include <stdio.h>
#include <towline/jwt.h>
#include <towline/log.h>
#include <towline/record.h>
#include <towline/str.h>

#include "desk/change.h"
#include "desk/host.h"
#include "desk/upload.h"

struct recording {
	const struct tl_upload *upload;
	json_t *facts; /* owned */
};

static int hash_file(FILE *in, char hex[static TL_SHA256_HEX], struct tl_err *err)
{
	tl_auto(tl_sha256) struct tl_sha256 *hash = tl_sha256_new();
	uint8_t digest[TL_SHA256_LEN];
	char piece[16384];
	size_t n;

	if (!hash)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	while ((n = fread(piece, 1, sizeof piece, in)) > 0)
		tl_sha256_update(hash, piece, n);
	if (ferror(in))
		return tl_err_set(err, TL_EIO, "cannot read the recording");
	tl_sha256_final(hash, digest);
	tl_hex_encode(digest, sizeof digest, hex);
	rewind(in);
	return 0;
}

/* The seal is the helper's or the agent's; which, is the endpoint's affair. */
static int verify(struct tl_store *store, const char *host, FILE *in,
		  struct tl_record_facts *ret_facts, struct tl_err *err)
{
	int (*const find[])(struct tl_store *, const char *, struct tl_key **,
			    struct tl_err *) = {tl_host_consent_key, tl_host_key};
	size_t i;
	int r = TL_ENOENT;

	for (i = 0; i < TL_ARRAY_LEN(find); i++) {
		tl_auto(tl_key) struct tl_key *key = NULL;

		if (find[i](store, host, &key, NULL))
			continue;
		rewind(in);
		r = tl_record_verify(in, key, ret_facts, err);
		if (r == 0 && ret_facts->sealed)
			return 0;
	}
	rewind(in);
	return tl_record_verify(in, NULL, ret_facts, err);
}

static int countersign(const struct tl_desk *desk, const struct recording *recording,
		       struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf token = TL_BUF_INIT(TL_JWT_MAX);
	tl_json *claims = json_copy(recording->facts);
	int r;

	tl_json_set(claims, "iss", json_string(desk->relay_id));
	tl_json_set(claims, "session", json_string(recording->upload->session));
	tl_json_set(claims, "iat", json_integer(tl_clock_wall_ms(desk->clock) / 1000));
	if ((r = tl_jwt_sign(desk->authority, TL_JWT_RECORDING, claims, &token, err)))
		return r;
	tl_json_set(recording->facts, "countersignature", json_string(tl_buf_str(&token)));
	return 0;
}

static int find_facts(struct tl_http_call *call, struct recording *recording, struct tl_err *err)
{
	struct tl_desk *desk = tl_desk_of(call);
	struct tl_record_facts facts = {.lines = 0};
	struct tl_err broken = TL_ERR_INIT;
	char sha256[TL_SHA256_HEX];
	uint64_t size;
	int fd, r;
	FILE *in;

	if ((r = tl_blob_read(desk->blobs, recording->upload->blob, &fd, &size, err)))
		return r;
	in = fdopen(fd, "r");
	if (!in) {
		close(fd);
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	}
	r = hash_file(in, sha256, err);
	if (r == 0 &&
	    verify(tl_desk_store(call), recording->upload->host, in, &facts, &broken) == 0)
		broken = (struct tl_err)TL_ERR_INIT; /* one key did not fit, another did */
	fclose(in);
	if (r)
		return r;
	recording->facts =
		json_pack("{s:s, s:s, s:I, s:b, s:b, s:I, s:I, s:f}", "sha256", sha256, "head",
			  facts.head, "size", (json_int_t)size, "chain", broken.code == 0, "sealed",
			  broken.code == 0 && facts.sealed, "lines", (json_int_t)facts.lines,
			  "output_bytes", (json_int_t)facts.output_bytes, "seconds", facts.seconds);
	if (!recording->facts)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	if (broken.code)
		tl_json_set(recording->facts, "reason", json_string(tl_err_text(&broken)));
	return countersign(desk, recording, err);
}

static int store_recording(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct recording *recording = arg;
	const struct tl_upload *upload = recording->upload;
	tl_auto(tl_buf) struct tl_buf facts = TL_BUF_INIT(TL_JWT_MAX);
	tl_json *shown = json_copy(recording->facts);
	int r;

	tl_json_write(&facts, recording->facts);
	json_object_del(shown, "countersignature");
	tl_json_set(shown, "session", json_string(upload->session));
	if ((r = tl_store_exec(change->store,
			       "UPDATE upload SET state = 'complete', length = $2, received = $2, "
			       "updated_ms = $3 WHERE id = $1",
			       TL_ARGS(TL_ARG_TEXT(upload->id), TL_ARG_INT(upload->size),
				       TL_ARG_INT(change->now_ms)),
			       NULL, err)) ||
	    (r = tl_store_exec(change->store,
			       "UPDATE session SET recording_blob = $2, recording_facts = $3 "
			       "WHERE id = $1",
			       TL_ARGS(TL_ARG_TEXT(upload->session), TL_ARG_TEXT(upload->blob),
				       TL_ARG_TEXT(tl_buf_str(&facts))),
			       NULL, err)))
		return r;
	return tl_change_tell(change,
			      &(struct tl_fact){.action = "recording.store",
						.object_kind = "session",
						.object = upload->session,
						.ticket = upload->ticket,
						.kind = "recording",
						.detail = tl_steal(&shown)},
			      err);
}

int tl_recording_take(struct tl_http_call *call, const struct tl_upload *upload, struct tl_err *err)
{
	struct recording recording = {.upload = upload};
	struct tl_change change;
	int r = find_facts(call, &recording, err);

	if (r == 0)
		r = tl_blob_seal(tl_desk_of(call)->blobs, upload->blob, err);
	if (r == 0) {
		tl_change_init(&change, call, store_recording, &recording);
		r = tl_change_run(&change, err);
	}
	json_decref(recording.facts);
	return r;
}
