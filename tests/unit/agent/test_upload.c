#include "../common/tests.h"

#include <sys/mman.h>
#include <towline/crypto.h>
#include <towline/str.h>
#include <unistd.h>

#include "daemon/upload.h"
#include "fake_relay.h"

#define SIZE (TL_UPLOAD_CHUNK + 1000)

static uv_loop_t loop;
static struct tl_upload *upload;
static int64_t progress;
static unsigned ended, troubles;
static int end_code;
static int bundle_fd;

static void on_progress(void *arg TL_UNUSED, int64_t sent)
{
	progress = sent;
}

static void on_end(void *arg TL_UNUSED, const struct tl_err *err)
{
	ended++;
	end_code = err ? err->code : 0;
}

static void on_trouble(void *arg TL_UNUSED, const struct tl_err *err)
{
	assert_int_not_equal(err->code, 0);
	troubles++;
}

static int set_up(void **state TL_UNUSED)
{
	fake_reset();
	progress = 0;
	ended = troubles = 0;
	uv_loop_init(&loop);
	bundle_fd = memfd_create("bundle", MFD_CLOEXEC);
	if (ftruncate(bundle_fd, SIZE) != 0)
		return -1;
	return tl_upload_new(&(struct tl_upload_spec){.loop = &loop,
						      .fd = bundle_fd,
						      .size = SIZE,
						      .metadata = "kind YnVuZGxl",
						      .on_progress = on_progress,
						      .on_end = on_end,
						      .on_trouble = on_trouble},
			     &upload, NULL);
}

static int tear_down(void **state TL_UNUSED)
{
	tl_upload_close(upload);
	uv_run(&loop, UV_RUN_DEFAULT);
	close(bundle_fd);
	return uv_loop_close(&loop);
}

static void created(int64_t offset)
{
	fake_answer((struct tl_reply){.status = 201,
				      .location = "/v1/uploads/u1",
				      .upload_offset = offset});
}

static void taken(int64_t offset)
{
	fake_answer((struct tl_reply){.status = 204, .upload_offset = offset});
}

static void refused(int status)
{
	fake_answer((struct tl_reply){.status = status, .upload_offset = -1});
}

static void it_is_created_with_length_and_metadata(void **state TL_UNUSED)
{
	char length[64];

	snprintf(length, sizeof(length), "Upload-Length: %d\n", SIZE);
	assert_string_equal(fake.open.method, "POST");
	assert_string_equal(fake.path, "/v1/uploads");
	assert_non_null(strstr(fake.headers, length));
	assert_non_null(strstr(fake.headers, "Upload-Metadata: kind YnVuZGxl\n"));
}

static void the_bytes_follow_in_chunks_until_all_are_taken(void **state TL_UNUSED)
{
	created(0);
	assert_string_equal(fake.open.method, "PATCH");
	assert_string_equal(fake.path, "/v1/uploads/u1");
	assert_int_equal(fake.open.file_len, TL_UPLOAD_CHUNK);
	taken(TL_UPLOAD_CHUNK);
	assert_int_equal(progress, TL_UPLOAD_CHUNK);
	assert_int_equal(fake.open.file_offset, TL_UPLOAD_CHUNK);
	assert_int_equal(fake.open.file_len, 1000);
	taken(SIZE);
	assert_int_equal(ended, 1);
	assert_int_equal(end_code, 0);
}

static void each_chunk_carries_its_checksum(void **state TL_UNUSED)
{
	static const char zeros[1000];
	tl_auto(tl_buf) struct tl_buf expected = TL_BUF_INIT(128);
	uint8_t digest[TL_SHA256_LEN];

	tl_sha256_of(zeros, sizeof(zeros), digest);
	tl_buf_puts(&expected, "Upload-Checksum: sha256 ");
	tl_base64_encode(&expected, digest, sizeof(digest));
	created(TL_UPLOAD_CHUNK);
	assert_non_null(strstr(fake.headers, tl_buf_str(&expected)));
}

static void chunk_that_arrived_damaged_is_sent_again(void **state TL_UNUSED)
{
	created(0);
	refused(460);
	assert_int_equal(ended, 0);
	fake_fire();
	fake_answer((struct tl_reply){.status = 200, .upload_offset = 0});
	assert_string_equal(fake.open.method, "PATCH");
	assert_int_equal(fake.open.file_offset, 0);
}

static void chunks_are_as_large_as_configured(void **state TL_UNUSED)
{
	struct tl_upload *small = NULL;

	fake_reset();
	assert_int_equal(tl_upload_new(&(struct tl_upload_spec){.loop = &loop,
								.fd = bundle_fd,
								.size = SIZE,
								.chunk_bytes = 65536,
								.metadata = "kind YnVuZGxl",
								.on_progress = on_progress,
								.on_end = on_end,
								.on_trouble = on_trouble},
				       &small, NULL),
			 0);
	created(0);
	assert_int_equal(fake.open.file_len, 65536);
	tl_upload_close(small);
}

static void file_that_cannot_be_read_is_tried_again(void **state TL_UNUSED)
{
	assert_int_equal(ftruncate(bundle_fd, 10), 0);
	created(0);
	assert_null(fake.open.method);
	assert_non_null(fake.timer);
	assert_int_equal(ended, 0);
}

static void one_that_exists_is_resumed_where_it_is(void **state TL_UNUSED)
{
	created(500);
	assert_int_equal(fake.open.file_offset, 500);
	assert_non_null(strstr(fake.headers, "Upload-Offset: 500\n"));
}

static void after_a_broken_chunk_it_asks_how_far_it_came(void **state TL_UNUSED)
{
	created(0);
	refused(0);
	assert_int_equal(troubles, 1);
	fake_fire();
	assert_string_equal(fake.open.method, "HEAD");
	fake_answer((struct tl_reply){.status = 200, .upload_offset = 4096});
	assert_string_equal(fake.open.method, "PATCH");
	assert_int_equal(fake.open.file_offset, 4096);
}

static void one_that_the_relay_forgot_is_created_anew(void **state TL_UNUSED)
{
	created(0);
	refused(404);
	fake_fire();
	refused(404);
	assert_string_equal(fake.open.method, "POST");
}

static void everything_sent_and_no_verdict_asks_with_an_empty_chunk(void **state TL_UNUSED)
{
	created(SIZE);
	assert_string_equal(fake.open.method, "PATCH");
	assert_int_equal(fake.open.file_len, 0);
	taken(SIZE);
	assert_int_equal(ended, 1);
}

static void a_rejected_bundle_is_the_end(void **state TL_UNUSED)
{
	created(0);
	refused(422);
	assert_int_equal(ended, 1);
	assert_int_not_equal(end_code, 0);
	assert_null(fake.open.method);
}

static void what_can_be_mended_is_no_end(void **state TL_UNUSED)
{
	static const int statuses[] = {401, 408, 409, 423, 429, 500, 503};

	for (size_t i = 0; i < TL_ARRAY_LEN(statuses); i++) {
		refused(statuses[i]);
		assert_int_equal(ended, 0);
		fake_fire();
	}
	assert_int_equal(troubles, TL_ARRAY_LEN(statuses));
}

static void an_offset_beyond_the_end_is_not_believed(void **state TL_UNUSED)
{
	created(0);
	taken(SIZE + 1);
	assert_int_equal(ended, 0);
	assert_int_equal(troubles, 1);
}

static void a_reachable_relay_ends_the_wait(void **state TL_UNUSED)
{
	created(0);
	refused(0);
	assert_non_null(fake.timer);
	tl_upload_wake(upload);
	assert_null(fake.timer);
	assert_string_equal(fake.open.method, "HEAD");
}

static void one_at_work_is_not_disturbed_by_a_reachable_relay(void **state TL_UNUSED)
{
	tl_upload_wake(upload);
	assert_int_equal(fake.calls, 1);
}

static void retry_after_is_a_lower_bound(void **state TL_UNUSED)
{
	fake_answer((struct tl_reply){.status = 503, .upload_offset = -1, .retry_after_ms = 45000});
	assert_in_range(fake.timer_ms, 45000, 46000);
}

int main(void)
{
#define UPLOAD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		UPLOAD_TEST(it_is_created_with_length_and_metadata),
		UPLOAD_TEST(the_bytes_follow_in_chunks_until_all_are_taken),
		UPLOAD_TEST(each_chunk_carries_its_checksum),
		UPLOAD_TEST(chunk_that_arrived_damaged_is_sent_again),
		UPLOAD_TEST(chunks_are_as_large_as_configured),
		UPLOAD_TEST(file_that_cannot_be_read_is_tried_again),
		UPLOAD_TEST(one_that_exists_is_resumed_where_it_is),
		UPLOAD_TEST(after_a_broken_chunk_it_asks_how_far_it_came),
		UPLOAD_TEST(one_that_the_relay_forgot_is_created_anew),
		UPLOAD_TEST(everything_sent_and_no_verdict_asks_with_an_empty_chunk),
		UPLOAD_TEST(a_rejected_bundle_is_the_end),
		UPLOAD_TEST(what_can_be_mended_is_no_end),
		UPLOAD_TEST(an_offset_beyond_the_end_is_not_believed),
		UPLOAD_TEST(a_reachable_relay_ends_the_wait),
		UPLOAD_TEST(one_at_work_is_not_disturbed_by_a_reachable_relay),
		UPLOAD_TEST(retry_after_is_a_lower_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
