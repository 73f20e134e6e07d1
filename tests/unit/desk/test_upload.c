#include "sender.h"

#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <towline/str.h>

#include "desk/intake.h"
#include "desk/upload.h"

static void a_whole_bundle_is_on_the_ticket(void **state)
{
	struct rig *rig = *state;
	tl_auto(sender) struct sender s;
	tl_auto(reply) struct reply reply, shown, content;
	char token[TL_TOKEN_TEXT_MAX], path[128];

	sender_make(rig, "", &s);
	sender_create(rig, &s);
	sender_send_all(rig, &s, &reply);
	assert_status(&reply, 204);
	rig_person(rig, "erin", "engineer", token);
	snprintf(path, sizeof path, "/v1/bundles/%s", s.bundle);
	rig_ask(rig, &(struct ask){.method = "GET", .path = path, .token = token}, &shown);
	assert_status(&shown, 200);
	assert_string_equal(reply_text(&shown, "ticket"), s.ticket);
	assert_string_equal(reply_text(&shown, "sha256"), s.sha256);
	snprintf(path, sizeof path, "/v1/bundles/%s/content", s.bundle);
	rig_ask(rig, &(struct ask){.method = "GET", .path = path, .token = token}, &content);
	assert_status(&content, 200);
	assert_string_equal(content.text, s.text);
	assert_int_equal(place_number(rig->store, "SELECT count(*) FROM timeline WHERE kind IN "
						  "('bundle', 'bundle-read')"),
			 2);
	assert_int_equal(place_number(rig->store,
				      "SELECT count(*) FROM audit WHERE action = 'bundle.read'"),
			 1);
}

static void a_part_of_a_bundle_is_read_as_audited_as_all_of_it(void **state)
{
	struct rig *rig = *state;
	const char *const ranges[] = {"Range: bytes=1-", "Range: bytes=-1000", "Range: Bytes=0-",
				      "Range: bytes=00-"};
	tl_auto(sender) struct sender s;
	tl_auto(reply) struct reply taken;
	char token[TL_TOKEN_TEXT_MAX], path[128];

	sender_make(rig, "", &s);
	sender_create(rig, &s);
	sender_send_all(rig, &s, &taken);
	rig_person(rig, "erin", "engineer", token);
	snprintf(path, sizeof path, "/v1/bundles/%s/content", s.bundle);
	for (size_t i = 0; i < TL_ARRAY_LEN(ranges); i++) {
		tl_auto(reply) struct reply part;

		rig_ask(rig,
			&(struct ask){.method = "GET",
				      .path = path,
				      .token = token,
				      .headers = {ranges[i]}},
			&part);
		assert_status(&part, 206);
	}
	assert_int_equal(place_number(rig->store,
				      "SELECT count(*) FROM audit WHERE action = 'bundle.read'"),
			 TL_ARRAY_LEN(ranges));
}

static void a_sealed_bundle_is_kept_as_it_is(void **state)
{
	struct rig *rig = *state;
	tl_auto(sender) struct sender s;
	tl_auto(reply) struct reply reply, shown, content;
	char token[TL_TOKEN_TEXT_MAX], path[128], type[256];
	const json_t *recipient;

	sender_make(rig, "sealed", &s);
	sender_create(rig, &s);
	sender_send_all(rig, &s, &reply);
	assert_status(&reply, 204);
	rig_person(rig, "erin", "engineer", token);
	snprintf(path, sizeof path, "/v1/bundles/%s", s.bundle);
	rig_ask(rig, &(struct ask){.method = "GET", .path = path, .token = token}, &shown);
	assert_status(&shown, 200);
	assert_true(json_is_true(json_object_get(shown.json, "sealed")));
	recipient = json_array_get(json_object_get(shown.json, "recipients"), 0);
	assert_string_equal(json_string_value(json_object_get(recipient, "issuer")), "CN=Rita");
	assert_int_equal(strlen(reply_text(&shown, "index_sha256")), 64);
	snprintf(path, sizeof path, "/v1/bundles/%s/content", s.bundle);
	rig_ask(rig, &(struct ask){.method = "GET", .path = path, .token = token}, &content);
	assert_status(&content, 200);
	assert_string_equal(content.text, s.text);
	reply_header(&content, "Content-Type", type);
	assert_true(tl_str_starts(type, "application/pkcs7-mime"));
}

static void an_upload_goes_on_where_it_broke_off(void **state)
{
	struct rig *rig = *state;
	tl_auto(sender) struct sender s;
	tl_auto(reply) struct reply first, rest;

	sender_make(rig, "", &s);
	sender_create(rig, &s);
	sender_patch(rig, &s, s.text, 10, 0, false, &first);
	assert_status(&first, 204);
	assert_offset(rig, &s, "10");
	sender_patch(rig, &s, s.text + 10, strlen(s.text) - 10, 10, true, &rest);
	assert_status(&rest, 204);
	assert_int_equal(place_number(rig->store, "SELECT count(*) FROM bundle"), 1);
}

static void creating_again_finds_the_upload_and_its_offset(void **state)
{
	struct rig *rig = *state;
	tl_auto(sender) struct sender s;
	tl_auto(reply) struct reply first;
	char location[256];

	sender_make(rig, "", &s);
	sender_create(rig, &s);
	memcpy(location, s.location, sizeof location);
	sender_patch(rig, &s, s.text, 5, 0, false, &first);
	sender_create(rig, &s);
	assert_string_equal(s.location, location);
	assert_offset(rig, &s, "5");
}

static void a_wrong_offset_is_a_conflict(void **state)
{
	struct rig *rig = *state;
	tl_auto(sender) struct sender s;
	tl_auto(reply) struct reply reply;

	sender_make(rig, "", &s);
	sender_create(rig, &s);
	sender_patch(rig, &s, s.text, 5, 3, false, &reply);
	assert_problem(&reply, 409, "upload-offset");
	assert_offset(rig, &s, "0");
}

static void more_bytes_than_declared_are_refused(void **state)
{
	struct rig *rig = *state;
	tl_auto(sender) struct sender s;
	tl_auto(reply) struct reply reply, streamed;
	char much[512];

	sender_make(rig, "", &s);
	sender_create(rig, &s);
	memset(much, 'x', sizeof much);
	sender_patch(rig, &s, much, sizeof much, 0, false, &reply);
	assert_status(&reply, 413);
	sender_patch(rig, &s, much, sizeof much, 0, true, &streamed);
	assert_status(&streamed, 413);
	assert_int_equal(place_number(rig->store, "SELECT count(*) FROM bundle"), 0);
}

static void a_larger_length_than_allowed_is_refused(void **state)
{
	struct rig *rig = *state;
	tl_auto(sender) struct sender s;
	tl_auto(reply) struct reply reply;
	char metadata[12000];

	sender_make(rig, "", &s);
	sender_metadata(rig, &s, s.host.key, s.sha256, metadata, sizeof metadata);
	sender_post(rig, &s, metadata, 2 * 1024 * 1024, &reply);
	assert_status(&reply, 413);
}

static void assert_rejected(struct rig *rig, const struct sender *s, const char *why)
{
	tl_auto(reply) struct reply reply, again;

	sender_send_all(rig, s, &reply);
	assert_problem(&reply, 422, "bundle-rejected");
	if (!strstr(reply_text(&reply, "detail"), why))
		fail_msg("\"%s\" lacks \"%s\"", reply_text(&reply, "detail"), why);
	assert_int_equal(place_number(rig->store, "SELECT count(*) FROM bundle"), 0);
	assert_int_equal(
		place_number(rig->store,
			     "SELECT count(*) FROM timeline WHERE kind = 'bundle-rejected'"),
		1);
	sender_send_all(rig, s, &again);
	assert_problem(&again, 422, "bundle-rejected");
}

static void a_bundle_of_another_hash_is_rejected(void **state)
{
	struct rig *rig = *state;
	tl_auto(sender) struct sender s;
	char other[TL_SHA256_HEX];

	sender_make(rig, "", &s);
	tl_sha256_hex_of("other", 5, other);
	sender_create_as(rig, &s, s.host.key, other);
	assert_rejected(rig, &s, "sha256");
}

static void a_signature_by_another_key_is_rejected(void **state)
{
	struct rig *rig = *state;
	tl_auto(sender) struct sender s;
	tl_auto(tl_key) struct tl_key *other = NULL;

	sender_make(rig, "", &s);
	assert_int_equal(tl_key_generate(&other, NULL), 0);
	sender_create_as(rig, &s, other, s.sha256);
	assert_rejected(rig, &s, "signature");
}

static void a_bundle_that_intake_refuses_is_rejected_with_its_sentence(void **state)
{
	struct rig *rig = *state;
	tl_auto(sender) struct sender s;

	sender_make(rig, "bad", &s);
	sender_create(rig, &s);
	assert_rejected(rig, &s, "../etc/passwd");
}

static void a_failing_intake_loses_nothing(void **state)
{
	struct rig *rig = *state;
	tl_auto(sender) struct sender s;
	tl_auto(reply) struct reply reply;

	sender_make(rig, "broken", &s);
	sender_create(rig, &s);
	sender_send_all(rig, &s, &reply);
	assert_status(&reply, 500);
	assert_int_equal(place_number(rig->store,
				      "SELECT count(*) FROM upload WHERE state = 'open'"),
			 1);
}

/* The blob of the one upload there is, open as another request has it. */
static int open_blob(struct rig *rig)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	struct tl_err err = TL_ERR_INIT;
	uint64_t size;
	int fd = -1;

	assert_int_equal(tl_store_row(rig->store, "SELECT blob FROM upload", TL_NO_ARGS, &row,
				      &err),
			 0);
	assert_int_equal(tl_blob_append(rig->desk.blobs, tl_rows_text(row, 0), &fd, &size, &err),
			 0);
	return fd;
}

static void one_request_at_a_time_takes_a_bundle_in(void **state)
{
	struct rig *rig = *state;
	tl_auto(sender) struct sender s;
	tl_auto(reply) struct reply busy, taken;
	char again[256];

	sender_make(rig, "", &s);
	sender_create(rig, &s);

	tl_fd int fd = open_blob(rig);
	assert_int_equal(write(fd, s.text, strlen(s.text)), strlen(s.text));
	assert_int_equal(tl_store_exec(rig->store, "UPDATE upload SET received = length",
				       TL_NO_ARGS, NULL, NULL),
			 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	rig_ask(rig,
		&(struct ask){.method = "HEAD",
			      .path = s.location,
			      .token = s.host.token,
			      .headers = {TUS}},
		&busy);
	assert_status(&busy, 423);
	reply_header(&busy, "Retry-After", again);
	assert_string_not_equal(again, "");
	assert_int_equal(place_number(rig->store, "SELECT count(*) FROM bundle"), 0);
	close(tl_steal_fd(&fd));
	sender_patch(rig, &s, "", 0, strlen(s.text), false, &taken);
	assert_status(&taken, 204);
	assert_int_equal(place_number(rig->store, "SELECT count(*) FROM bundle"), 1);
}

static void a_bundle_waits_for_its_turn_at_the_intake(void **state)
{
	struct rig *rig = *state;
	tl_auto(sender) struct sender s;
	tl_auto(reply) struct reply busy, taken;

	sender_make(rig, "", &s);
	sender_create(rig, &s);
	rig->desk.intakes = TL_INTAKES_MAX;
	sender_send_all(rig, &s, &busy);
	assert_problem(&busy, 503, "intake-busy");
	assert_int_equal(place_number(rig->store,
				      "SELECT count(*) FROM upload WHERE state = 'open'"),
			 1);
	rig->desk.intakes = 0;
	sender_patch(rig, &s, "", 0, strlen(s.text), false, &taken);
	assert_status(&taken, 204);
	assert_int_equal(rig->desk.intakes, 0);
}

static void a_host_has_only_so_many_open_bundles(void **state)
{
	struct rig *rig = *state;
	tl_auto(sender) struct sender s;
	tl_auto(reply) struct reply reply;
	char metadata[12000];

	sender_make(rig, "", &s);
	for (int i = 0; i < TL_UPLOADS_OPEN_MAX; i++) {
		sender_create(rig, &s);
		snprintf(s.bundle, sizeof s.bundle, "%s", tl_id_new(&rig->clock.clock).text);
	}
	sender_metadata(rig, &s, s.host.key, s.sha256, metadata, sizeof metadata);
	sender_post(rig, &s, metadata, 10, &reply);
	assert_problem(&reply, 429, "too-many-uploads");
}

static void another_host_does_not_see_the_upload(void **state)
{
	struct rig *rig = *state;
	tl_auto(sender) struct sender s;
	tl_auto(host) struct host other;
	tl_auto(reply) struct reply reply;

	sender_make(rig, "", &s);
	sender_create(rig, &s);
	rig_host(rig, "other", &other);
	rig_ask(rig,
		&(struct ask){.method = "HEAD",
			      .path = s.location,
			      .token = other.token,
			      .headers = {TUS}},
		&reply);
	assert_status(&reply, 404);
}

static void a_ticket_of_another_host_takes_no_bundle(void **state)
{
	struct rig *rig = *state;
	tl_auto(sender) struct sender s;
	tl_auto(host) struct host other;
	tl_auto(reply) struct reply reply;
	char metadata[12000];

	sender_make(rig, "", &s);
	rig_host(rig, "other", &other);
	rig_ticket(rig, &other, s.ticket);
	sender_metadata(rig, &s, s.host.key, s.sha256, metadata, sizeof metadata);
	sender_post(rig, &s, metadata, 100, &reply);
	assert_problem(&reply, 404, "ticket-unknown");
}

static void another_version_of_tus_is_refused(void **state)
{
	struct rig *rig = *state;
	tl_auto(sender) struct sender s;
	tl_auto(reply) struct reply reply;
	char versions[256];

	sender_make(rig, "", &s);
	rig_ask(rig,
		&(struct ask){.method = "POST",
			      .path = "/v1/uploads",
			      .token = s.host.token,
			      .headers = {"Tus-Resumable: 0.2.2", "Upload-Length: 1"}},
		&reply);
	assert_status(&reply, 412);
	reply_header(&reply, "Tus-Version", versions);
	assert_string_equal(versions, "1.0.0");
}

static const struct CMUnitTest tests[] = {
	RIG_TEST(a_whole_bundle_is_on_the_ticket),
	RIG_TEST(a_part_of_a_bundle_is_read_as_audited_as_all_of_it),
	RIG_TEST(a_sealed_bundle_is_kept_as_it_is),
	RIG_TEST(an_upload_goes_on_where_it_broke_off),
	RIG_TEST(creating_again_finds_the_upload_and_its_offset),
	RIG_TEST(a_wrong_offset_is_a_conflict),
	RIG_TEST(more_bytes_than_declared_are_refused),
	RIG_TEST(a_larger_length_than_allowed_is_refused),
	RIG_TEST(a_bundle_of_another_hash_is_rejected),
	RIG_TEST(a_signature_by_another_key_is_rejected),
	RIG_TEST(a_bundle_that_intake_refuses_is_rejected_with_its_sentence),
	RIG_TEST(a_failing_intake_loses_nothing),
	RIG_TEST(one_request_at_a_time_takes_a_bundle_in),
	RIG_TEST(a_bundle_waits_for_its_turn_at_the_intake),
	RIG_TEST(a_host_has_only_so_many_open_bundles),
	RIG_TEST(another_host_does_not_see_the_upload),
	RIG_TEST(a_ticket_of_another_host_takes_no_bundle),
	RIG_TEST(another_version_of_tus_is_refused),
};

int main(int argc, char **argv)
{
	return place_main("upload", tests, TL_ARRAY_LEN(tests), argc, argv);
}
