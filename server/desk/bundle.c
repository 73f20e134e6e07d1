/* Reading bundles: what is known of one, its bytes, its signature. */
#include "desk/bundle.h"

#include <stdio.h>
#include <string.h>
#include <towline/id.h>
#include <towline/sealed.h>
#include <towline/str.h>

#include "desk/change.h"
#include "desk/desk.h"
#include "desk/handlers.h"
#include "desk/reply.h"

static bool is_sealed(const json_t *facts)
{
	return tl_streq(json_string_value(json_object_get(facts, "kind")), "sealed");
}

json_t *tl_bundle_make(const struct tl_rows *row)
{
	tl_json *facts = tl_row_json(row, 10);
	json_t *bundle = json_object();

	tl_json_set(bundle, "id", tl_row_text(row, 0));
	tl_json_set(bundle, "ticket", tl_row_text(row, 1));
	tl_json_set(bundle, "host", tl_row_named(row, 2, 3));
	tl_json_set(bundle, "sha256", tl_row_text(row, 4));
	tl_json_set(bundle, "index_sha256", tl_row_text(row, 5));
	tl_json_set(bundle, "size", json_integer(tl_rows_int(row, 6)));
	tl_json_set(bundle, "unpacked", json_integer(tl_rows_int(row, 7)));
	tl_json_set(bundle, "members", json_integer(tl_rows_int(row, 8)));
	tl_json_set(bundle, "created", tl_row_time(row, 9));
	tl_json_set(bundle, "redaction", json_incref(json_object_get(facts, "redaction")));
	tl_json_set(bundle, "findings", json_incref(json_object_get(facts, "findings")));
	tl_json_set(bundle, "sealed", json_boolean(is_sealed(facts)));
	if (is_sealed(facts))
		tl_json_set(bundle, "recipients",
			    json_incref(json_object_get(facts, "recipients")));
	tl_json_set(bundle, "consent", tl_row_text(row, 11));
	return bundle;
}

/* The bundle that the path names; 404 was sent when it fails. */
static int load(struct tl_http_call *call, const char *columns, struct tl_rows **ret_row)
{
	struct tl_err err = TL_ERR_INIT;
	char sql[512];
	int r;

	snprintf(sql, sizeof sql,
		 "SELECT %s" TL_BUNDLE_FROM "WHERE b.id = $1 AND b.state = 'stored'", columns);
	r = tl_store_row(tl_desk_store(call), sql, TL_ARGS(TL_ARG_TEXT(tl_http_param(call, "id"))),
			 ret_row, &err);
	if (r == TL_ENOENT)
		tl_err_set(&err, r, "there is no bundle %s", tl_http_param(call, "id"));
	if (r)
		tl_reply_failure(call, NULL, &err);
	return r;
}

void tl_bundle_show(struct tl_http_call *call)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	json_t *bundle;

	if (load(call, TL_BUNDLE_COLUMNS ", b.manifest", &row))
		return;
	bundle = tl_bundle_make(row);
	tl_json_set(bundle, "manifest", tl_row_json(row, 12));
	tl_http_reply(call, 200, bundle);
}

void tl_bundle_signature(struct tl_http_call *call)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;

	if (load(call, "b.signature", &row) == 0)
		tl_http_reply_bytes(call, 200, "application/jose", tl_rows_text(row, 0),
				    strlen(tl_rows_text(row, 0)));
}

struct reading {
	const char *bundle;
	char ticket[TL_ID_LEN + 1];
};

static int note_reading(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct reading *reading = arg;

	return tl_change_tell(change,
			      &(struct tl_fact){.action = "bundle.read",
						.object_kind = "bundle",
						.object = reading->bundle,
						.ticket = reading->ticket,
						.kind = "bundle-read",
						.detail = json_pack("{s:s}", "bundle",
								    reading->bundle)},
			      err);
}

/* Who reads a bundle is written down before the first byte leaves, for each range anew: nobody can
 * tell a download that goes on from one that began elsewhere to stay unseen. */
void tl_bundle_content(struct tl_http_call *call)
{
	struct reading reading = {.bundle = tl_http_param(call, "id")};
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	struct tl_err err = TL_ERR_INIT;
	struct tl_change change;
	char etag[80], blob[64];
	const char *type;
	uint64_t size;
	int fd, r;

	if (load(call, "b.ticket_id, b.sha256, b.blob, b.members", &row))
		return;
	snprintf(reading.ticket, sizeof reading.ticket, "%s", tl_rows_text(row, 0));
	snprintf(etag, sizeof etag, "\"%s\"", tl_rows_text(row, 1));
	snprintf(blob, sizeof blob, "%s", tl_rows_text(row, 2));
	type = tl_rows_int(row, 3) ? "application/zstd" : TL_SEALED_TYPE; /* nobody could count */
	tl_rows_free(tl_steal(&row));
	tl_change_init(&change, call, note_reading, &reading);
	r = tl_change_run(&change, &err);
	if (r == 0)
		r = tl_blob_read(tl_desk_of(call)->blobs, blob, &fd, &size, &err);
	if (r)
		tl_reply_failure(call, NULL, &err);
	else
		tl_http_reply_file(call, type, fd, size, etag);
}
