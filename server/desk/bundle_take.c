/* Taking a bundle in: what the child process found must be what the endpoint signed and the person
 * agreed to. */
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <towline/jwt.h>
#include <towline/log.h>
#include <towline/str.h>

#include "desk/change.h"
#include "desk/host.h"
#include "desk/intake.h"
#include "desk/upload.h"

#define FACTS_MAX (16 * 1024 * 1024)

struct taking {
	const struct tl_upload *upload;
	json_t *facts;	      /* what intake found; owned */
	const char *rejected; /* why, or NULL */
	bool is_sealed;	      /* intake could not look inside */
	uint64_t unpacked, members;
};

/* Errors of these codes are the bundle's fault; anything else is ours and may pass. */
static bool is_bundles_fault(int code)
{
	return code == TL_EINVAL || code == TL_ESIG || code == TL_EDENIED || code == TL_ETOOBIG ||
	       code == TL_ENOENT;
}

static const char *text_of(const json_t *object, const char *member)
{
	return json_string_value(json_object_get(object, member));
}

static int same(const json_t *object, const char *member, const char *expected, const char *who,
		struct tl_err *err)
{
	if (tl_streq(text_of(object, member), expected))
		return 0;
	return tl_err_set(err, TL_EINVAL, "%s: \"%s\" is not %s", who, member, expected);
}

/* Of a sealed bundle the index is what the endpoint says it is: who opens it compares. */
static int check_index(const struct taking *t, const char *signed_sha256, struct tl_err *err)
{
	if (!t->is_sealed)
		return same(t->facts, "index_sha256", signed_sha256, "the bundle", err);
	if (!tl_str_is_sha256(signed_sha256))
		return tl_err_set(err, TL_EINVAL, "the bundle's signature names no index_sha256");
	json_object_set_new(t->facts, "index_sha256", json_string(signed_sha256));
	return 0;
}

static int check_signature(struct tl_http_call *call, const struct taking *t, struct tl_err *err)
{
	const struct tl_upload *upload = t->upload;
	const struct tl_upload_meta *meta = &upload->meta;
	tl_auto(tl_key) struct tl_key *key = NULL;
	tl_json *claims = NULL;
	const char *who = "the bundle's signature";
	int r;

	if ((r = tl_host_key(tl_desk_store(call), upload->host, &key, err)))
		return r;
	if ((r = tl_jwt_verify(key, TL_JWT_BUNDLE, meta->jws, strlen(meta->jws), &claims, err)))
		return tl_err_prefix(err, "%s", who);
	if ((r = same(claims, "iss", upload->host, who, err)) ||
	    (r = same(claims, "aud", tl_desk_of(call)->relay_id, who, err)) ||
	    (r = same(claims, "bundle", meta->bundle, who, err)) ||
	    (r = same(claims, "sha256", meta->sha256, who, err)) ||
	    (r = same(claims, "ticket", meta->ticket, who, err)) ||
	    (r = check_index(t, text_of(claims, "index_sha256"), err)))
		return r;
	if (json_integer_value(json_object_get(claims, "size")) != upload->length)
		return tl_err_set(err, TL_EINVAL, "%s is for another size", who);
	return 0;
}

static int check_consent(struct tl_http_call *call, const struct tl_upload *upload,
			 struct tl_err *err)
{
	const struct tl_upload_meta *meta = &upload->meta;
	tl_auto(tl_key) struct tl_key *key = NULL;
	tl_json *claims = NULL;
	const char *who = "the consent receipt";
	int r;

	if ((r = tl_host_consent_key(tl_desk_store(call), upload->host, &key, err)))
		return r;
	if ((r = tl_jwt_verify(key, TL_JWT_CONSENT, meta->consent, strlen(meta->consent), &claims,
			       err)))
		return tl_err_prefix(err, "%s", who);
	if ((r = same(claims, "host", upload->host, who, err)) ||
	    (r = same(claims, "what", "bundle", who, err)) ||
	    (r = same(claims, "subject", meta->sha256, who, err)))
		return r;
	/* Signed before there was a ticket, it names none: the bundle's signature binds them then. */
	if (json_object_get(claims, "ticket") &&
	    (r = same(claims, "ticket", meta->ticket, who, err)))
		return r;
	return same(claims, "decision", "yes", who, err);
}

/* The bundle itself says the same as what came beside it. */
static int check_facts(struct taking *t, struct tl_err *err)
{
	const struct tl_upload_meta *meta = &t->upload->meta;
	int r;

	t->is_sealed = tl_streq(text_of(t->facts, "kind"), "sealed");
	if ((r = same(t->facts, "sha256", meta->sha256, "the bundle", err)) ||
	    (!t->is_sealed && (r = same(t->facts, "bundle", meta->bundle, "the bundle", err))))
		return r;
	t->unpacked = (uint64_t)json_integer_value(json_object_get(t->facts, "unpacked_bytes"));
	t->members = (uint64_t)json_integer_value(json_object_get(t->facts, "members"));
	return 0;
}

static int examine(struct tl_http_call *call, struct taking *t, struct tl_err *err)
{
	const struct tl_desk *desk = tl_desk_of(call);
	tl_fd int fd = -1;
	uint64_t size;
	int r;

	if ((r = tl_blob_read(desk->blobs, t->upload->blob, &fd, &size, err)))
		return r == TL_ENOENT ? tl_err_set(err, TL_EIO, "the upload's blob is missing") : r;
	if ((r = tl_intake_run(desk->intake_program, fd, &t->facts, err)) ||
	    (r = check_facts(t, err)) || (r = check_signature(call, t, err)))
		return r;
	return check_consent(call, t->upload, err);
}

static int set_state(struct tl_change *change, const struct tl_upload *upload, const char *state,
		     struct tl_err *err)
{
	int64_t changed;
	int r = tl_store_exec(change->store,
			      "UPDATE upload SET state = $2, received = $3, updated_ms = $4 "
			      "WHERE id = $1 AND state = 'open'",
			      TL_ARGS(TL_ARG_TEXT(upload->id), TL_ARG_TEXT(state),
				      TL_ARG_INT(upload->size), TL_ARG_INT(change->now_ms)),
			      &changed, err);

	if (r == 0 && !changed)
		return tl_err_set(err, TL_ECONFLICT, "the upload was ended meanwhile");
	return r;
}

/* Severity → how many, for the timeline. */
static json_t *count_findings(const json_t *facts)
{
	const json_t *findings = json_object_get(facts, "findings");
	json_t *counts = json_object();

	for (size_t i = 0; i < json_array_size(findings); i++) {
		const char *severity = text_of(json_array_get(findings, i), "severity");
		json_int_t before = json_integer_value(json_object_get(counts, severity));

		json_object_set_new(counts, severity, json_integer(before + 1));
	}
	return counts;
}

static int insert_bundle(struct tl_change *change, const struct taking *t, struct tl_err *err)
{
	const struct tl_upload *upload = t->upload;
	tl_auto(tl_buf) struct tl_buf manifest = TL_BUF_INIT(FACTS_MAX);
	tl_auto(tl_buf) struct tl_buf facts = TL_BUF_INIT(FACTS_MAX);
	tl_json *rest = json_copy(t->facts);
	int r;

	json_object_del(rest, "manifest"); /* has its own column */
	if (t->is_sealed)
		tl_buf_puts(&manifest, "{\"kind\":\"sealed\"}");
	else
		tl_json_write(&manifest, json_object_get(t->facts, "manifest"));
	tl_json_write(&facts, rest);
	if ((r = tl_buf_check(&manifest)) || (r = tl_buf_check(&facts)))
		return tl_err_set(err, r, "the bundle's facts are too long");
	r = tl_store_exec(
		change->store,
		"INSERT INTO bundle (id, ticket_id, host_id, sha256, index_sha256, size, unpacked, "
		"members, signature, consent, manifest, facts, blob, created_ms) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
		TL_ARGS(TL_ARG_TEXT(upload->meta.bundle), TL_ARG_TEXT(upload->ticket),
			TL_ARG_TEXT(upload->host), TL_ARG_TEXT(upload->meta.sha256),
			TL_ARG_TEXT(text_of(t->facts, "index_sha256")), TL_ARG_INT(upload->size),
			TL_ARG_INT(t->unpacked), TL_ARG_INT(t->members),
			TL_ARG_TEXT(upload->meta.jws), TL_ARG_TEXT(upload->meta.consent),
			TL_ARG_TEXT(tl_buf_str(&manifest)), TL_ARG_TEXT(tl_buf_str(&facts)),
			TL_ARG_TEXT(upload->blob), TL_ARG_INT(change->now_ms)),
		NULL, err);
	return r;
}

static int accept(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct taking *t = arg;
	const struct tl_upload *upload = t->upload;
	int r;

	if ((r = set_state(change, upload, "complete", err)) || (r = insert_bundle(change, t, err)))
		return r;
	return tl_change_tell(
		change,
		&(struct tl_fact){.action = "bundle.store",
				  .object_kind = "bundle",
				  .object = upload->meta.bundle,
				  .ticket = upload->ticket,
				  .kind = "bundle",
				  .detail =
					  json_pack("{s:s, s:s, s:I, s:I, s:b, s:o}", "bundle",
						    upload->meta.bundle, "sha256",
						    upload->meta.sha256, "size",
						    (json_int_t)upload->size, "members",
						    (json_int_t)t->members, "sealed", t->is_sealed,
						    "findings", count_findings(t->facts))},
		err);
}

static int reject(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct taking *t = arg;
	const struct tl_upload *upload = t->upload;
	int r = set_state(change, upload, "rejected", err);

	if (r)
		return r;
	return tl_change_tell(change,
			      &(struct tl_fact){.action = "bundle.reject",
						.object_kind = "bundle",
						.object = upload->meta.bundle,
						.ticket = upload->ticket,
						.kind = "bundle-rejected",
						.detail = json_pack("{s:s, s:s}", "bundle",
								    upload->meta.bundle, "reason",
								    t->rejected)},
			      err);
}

static int reject_bundle(struct tl_http_call *call, struct taking *t, struct tl_problem *problem,
			 struct tl_err *err)
{
	struct tl_err reason = *err;
	struct tl_change change;
	int r;

	t->rejected = tl_err_text(&reason);
	tl_change_init(&change, call, reject, t);
	if ((r = tl_change_run(&change, err)))
		return r;
	tl_log_warning("bundle rejected", TL_S("bundle", t->upload->meta.bundle),
		       TL_S("host", t->upload->host), TL_ERR(&reason));
	if (tl_blob_remove(tl_desk_of(call)->blobs, t->upload->blob, err))
		tl_log_warning("a rejected bundle was not removed", TL_ERR(err));
	return tl_problem_set(problem, err, 422, "bundle-rejected", "%s", tl_err_text(&reason));
}

static int enter_intake(struct tl_http_call *call, struct tl_problem *problem, struct tl_err *err)
{
	struct tl_desk *desk = tl_desk_of(call);

	if (atomic_fetch_add(&desk->intakes, 1) < TL_INTAKES_MAX)
		return 0;
	atomic_fetch_sub(&desk->intakes, 1);
	tl_http_add_header(call, "Retry-After", "10");
	return tl_problem_set(problem, err, 503, "intake-busy",
			      "other bundles are being checked; come again shortly");
}

int tl_bundle_take(struct tl_http_call *call, const struct tl_upload *upload,
		   struct tl_problem *problem, struct tl_err *err)
{
	struct taking taking = {.upload = upload};
	struct tl_change change;
	int r = enter_intake(call, problem, err);

	if (r)
		return r;
	r = examine(call, &taking, err);
	atomic_fetch_sub(&tl_desk_of(call)->intakes, 1);
	if (r == 0)
		r = tl_blob_seal(tl_desk_of(call)->blobs, upload->blob, err);
	else if (is_bundles_fault(r))
		r = reject_bundle(call, &taking, problem, err);
	if (r == 0) {
		tl_change_init(&change, call, accept, &taking);
		r = tl_change_run(&change, err);
	}
	json_decref(taking.facts);
	return r;
}
