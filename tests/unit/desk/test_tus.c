/* What any tus client may do beyond creating and appending. */
#include "sender.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <towline/str.h>

#include "desk/upload.h"

/* PATCH of all bytes with this Upload-Checksum. */
static void send_checked(struct rig *rig, const struct sender *s, const char *checksum,
			 struct reply *ret_reply)
{
	char header[128];

	snprintf(header, sizeof header, "Upload-Checksum: %s", checksum);
	rig_ask(rig,
		&(struct ask){.method = "PATCH",
			      .path = s->location,
			      .token = s->host.token,
			      .bytes = s->text,
			      .len = strlen(s->text),
			      .headers = {TUS, "Upload-Offset: 0", header}},
		ret_reply);
}

static void sum(const EVP_MD *algorithm, const char *name, const char *text,
		char header[static 100])
{
	tl_auto(tl_buf) struct tl_buf base64 = TL_BUF_INIT(64);
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len;

	assert_int_equal(EVP_Digest(text, strlen(text), digest, &len, algorithm, NULL), 1);
	tl_base64_encode(&base64, digest, len);
	snprintf(header, 100, "%s %s", name, tl_buf_str(&base64));
}

static void bytes_that_fit_their_checksum_are_taken(void **state)
{
	const EVP_MD *algorithms[] = {EVP_sha256(), EVP_sha1()};
	const char *const names[] = {"sha256", "sha1"};
	struct rig *rig = *state;

	for (size_t i = 0; i < TL_ARRAY_LEN(names); i++) {
		tl_auto(sender) struct sender s;
		tl_auto(reply) struct reply reply;
		char checksum[100];

		sender_make(rig, "", &s);
		sender_create(rig, &s);
		sum(algorithms[i], names[i], s.text, checksum);
		send_checked(rig, &s, checksum, &reply);
		assert_status(&reply, 204);
	}
	assert_int_equal(place_number(rig->store, "SELECT count(*) FROM bundle"), 2);
}

static void bytes_that_do_not_fit_their_checksum_do_not_count(void **state)
{
	struct rig *rig = *state;
	tl_auto(sender) struct sender s;
	tl_auto(reply) struct reply wrong, right;
	char checksum[100];

	sender_make(rig, "", &s);
	sender_create(rig, &s);
	sum(EVP_sha256(), "sha256", "something else", checksum);
	send_checked(rig, &s, checksum, &wrong);
	assert_problem(&wrong, 460, "checksum-mismatch");
	assert_offset(rig, &s, "0");
	sender_send_all(rig, &s, &right);
	assert_status(&right, 204);
}

static void checksum_of_another_form_is_refused(void **state)
{
	static const char *const forms[] = {
		"md5 1B2M2Y8AsgTpgAmY7PhCfg==", "sha256", "sha256 ", "sha256 AAAA", "sha1 !", "x"};
	struct rig *rig = *state;
	tl_auto(sender) struct sender s;

	sender_make(rig, "", &s);
	sender_create(rig, &s);
	for (size_t i = 0; i < TL_ARRAY_LEN(forms); i++) {
		tl_auto(reply) struct reply reply;

		send_checked(rig, &s, forms[i], &reply);
		assert_int_equal(reply.status, 400);
	}
	assert_offset(rig, &s, "0");
}

static void ask_delete(struct rig *rig, const struct sender *s, struct reply *ret_reply)
{
	rig_ask(rig,
		&(struct ask){.method = "DELETE",
			      .path = s->location,
			      .token = s->host.token,
			      .headers = {TUS}},
		ret_reply);
}

static void an_upload_can_be_withdrawn_and_begun_anew(void **state)
{
	struct rig *rig = *state;
	tl_auto(sender) struct sender s;
	tl_auto(reply) struct reply part, gone, head, whole;

	sender_make(rig, "", &s);
	sender_create(rig, &s);
	sender_patch(rig, &s, s.text, 10, 0, false, &part);
	ask_delete(rig, &s, &gone);
	assert_status(&gone, 204);
	sender_send_all(rig, &s, &head);
	assert_status(&head, 404);
	sender_create(rig, &s);
	assert_offset(rig, &s, "0");
	sender_send_all(rig, &s, &whole);
	assert_status(&whole, 204);
}

static void a_whole_bundle_is_not_taken_back(void **state)
{
	struct rig *rig = *state;
	tl_auto(sender) struct sender s;
	tl_auto(reply) struct reply reply, gone;

	sender_make(rig, "", &s);
	sender_create(rig, &s);
	sender_send_all(rig, &s, &reply);
	ask_delete(rig, &s, &gone);
	assert_problem(&gone, 403, "upload-complete");
	assert_int_equal(place_number(rig->store, "SELECT count(*) FROM bundle"), 1);
}

static void an_upload_that_nobody_goes_on_with_expires(void **state)
{
	struct rig *rig = *state;
	tl_auto(sender) struct sender s;
	tl_auto(reply) struct reply part;
	struct tl_err err = TL_ERR_INIT;
	char expires[256];

	sender_make(rig, "", &s);
	sender_create(rig, &s);
	sender_patch(rig, &s, s.text, 10, 0, false, &part);
	reply_header(&part, "Upload-Expires", expires);
	assert_true(tl_str_ends(expires, " GMT"));
	assert_int_equal(tl_upload_sweep(&rig->desk, rig->store, &err), 0);
	assert_int_equal(place_number(rig->store, "SELECT count(*) FROM upload"), 1);
	tl_clock_fake_advance(&rig->clock, TL_UPLOAD_LIFE_MS + 1);
	assert_int_equal(tl_upload_sweep(&rig->desk, rig->store, &err), 0);
	assert_int_equal(place_number(rig->store, "SELECT count(*) FROM upload"), 0);
}

static void bytes_that_a_crash_left_unacknowledged_do_not_count(void **state)
{
	struct rig *rig = *state;
	tl_auto(sender) struct sender s;
	tl_auto(reply) struct reply part, rest;
	tl_fd int fd = -1;
	uint64_t size;

	sender_make(rig, "", &s);
	sender_create(rig, &s);
	sender_patch(rig, &s, s.text, 10, 0, false, &part);
	assert_int_equal(tl_blob_append(rig->desk.blobs, strrchr(s.location, '/') + 1, &fd, &size,
					NULL),
			 0);
	assert_int_equal(write(fd, "\0\0\0\0\0", 5), 5);
	assert_offset(rig, &s, "10");
	sender_patch(rig, &s, s.text + 10, strlen(s.text) - 10, 10, false, &rest);
	assert_status(&rest, 204);
}

static void a_host_fills_its_own_share_only(void **state)
{
	struct rig *rig = *state;
	tl_auto(sender) struct sender s;
	tl_auto(reply) struct reply first, second, limits;
	char metadata[12000];

	sender_make(rig, "", &s);
	sender_metadata(rig, &s, s.host.key, s.sha256, metadata, sizeof metadata);
	rig->desk.host_quota_bytes = 1000;
	sender_post(rig, &s, metadata, 900, &first);
	assert_status(&first, 201);
	rig_ask(rig,
		&(struct ask){.method = "GET", .path = "/v1/agent/limits", .token = s.host.token},
		&limits);
	assert_status(&limits, 200);
	assert_int_equal(json_integer_value(json_object_get(limits.json, "quota_left_bytes")), 100);
	assert_int_equal(json_integer_value(json_object_get(limits.json, "bundle_max_bytes")),
			 1024 * 1024);
	snprintf(s.bundle, sizeof s.bundle, "%s", tl_id_new(&rig->clock.clock).text);
	sender_metadata(rig, &s, s.host.key, s.sha256, metadata, sizeof metadata);
	sender_post(rig, &s, metadata, 101, &second);
	assert_problem(&second, 413, "host-quota");
}

static void the_protocol_says_what_it_offers(void **state)
{
	struct rig *rig = *state;
	tl_auto(reply) struct reply reply;
	char value[256];

	rig_ask(rig, &(struct ask){.method = "OPTIONS", .path = "/v1/uploads"}, &reply);
	assert_status(&reply, 204);
	reply_header(&reply, "Tus-Extension", value);
	assert_string_equal(value,
			    "creation,creation-defer-length,checksum,expiration,termination");
	reply_header(&reply, "Tus-Checksum-Algorithm", value);
	assert_string_equal(value, "sha256,sha1");
	reply_header(&reply, "Tus-Max-Size", value);
	assert_string_equal(value, "1048576");
}

static const struct CMUnitTest tests[] = {
	RIG_TEST(bytes_that_fit_their_checksum_are_taken),
	RIG_TEST(bytes_that_do_not_fit_their_checksum_do_not_count),
	RIG_TEST(checksum_of_another_form_is_refused),
	RIG_TEST(an_upload_can_be_withdrawn_and_begun_anew),
	RIG_TEST(a_whole_bundle_is_not_taken_back),
	RIG_TEST(an_upload_that_nobody_goes_on_with_expires),
	RIG_TEST(bytes_that_a_crash_left_unacknowledged_do_not_count),
	RIG_TEST(a_host_fills_its_own_share_only),
	RIG_TEST(the_protocol_says_what_it_offers),
};

int main(int argc, char **argv)
{
	return place_main("tus", tests, TL_ARRAY_LEN(tests), argc, argv);
}
