#include "../common/tests.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <towline/clock.h>
#include <towline/fs.h>
#include <unistd.h>

#include "../common/scratch.h"
#include "daemon/delivery.h"
#include "fake_relay.h"

#define BYTES "a bundle's bytes"

static uv_loop_t loop;
static struct tl_queue *queue;
static struct tl_delivery *delivery;
static int state_fd;

static char named_ticket[64], named_consent[64];

static void name_ticket(void *arg, struct tl_delivery *asking TL_UNUSED, const char *consent,
			const char *ticket)
{
	snprintf(named_ticket, sizeof(named_ticket), "%s", ticket);
	snprintf(named_consent, sizeof(named_consent), "%s", consent);
	assert_null(arg);
}

static int set_up(void **state)
{
	static const struct tl_queue_limits limits = {.max_items = 10, .max_bytes = 1 << 20};

	if (scratch_set_up(state) != 0)
		return -1;
	fake_reset();
	uv_loop_init(&loop);
	state_fd = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tl_queue_open(state_fd, &limits, &queue, NULL) != 0)
		return -1;
	return tl_delivery_new(&(struct tl_delivery_options){.loop = &loop,
							     .queue = queue,
							     .bundles_fd = state_fd},
			       &delivery, NULL);
}

static int tear_down(void **state)
{
	tl_delivery_close(delivery);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	tl_queue_free(queue);
	close(state_fd);
	return scratch_tear_down(state);
}

/* A request whose bundle is in its place. */
static struct tl_item *submit(const char *summary)
{
	struct tl_item item = {.state = TL_ITEM_TICKET,
			       .uid = 1000,
			       .size = (int64_t)strlen(BYTES)};
	struct tl_item *added = NULL;
	char name[64];
	int fd;

	snprintf(item.help_id, sizeof(item.help_id), "%s", tl_id_new(tl_clock_system()).text);
	snprintf(item.bundle, sizeof(item.bundle), "%s", item.help_id);
	snprintf(item.summary, sizeof(item.summary), "%s", summary);
	snprintf(item.user, sizeof(item.user), "ann");
	tl_bundle_file_name(item.help_id, name);
	fd = openat(state_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, BYTES, strlen(BYTES)), strlen(BYTES));
	close(fd);
	assert_int_equal(tl_queue_add(queue, &item, &added, NULL), 0);
	return added;
}

static bool has_bundle(const struct tl_item *item)
{
	char name[64];
	struct stat st;

	tl_bundle_file_name(item->help_id, name);
	return fstatat(state_fd, name, &st, 0) == 0;
}

static void ticket_is(const char *number)
{
	tl_json *json = json_pack("{s:s}", "number", number);

	fake_answer((struct tl_reply){.status = 201, .json = json, .upload_offset = -1});
}

static void upload_is_taken(void)
{
	fake_answer((struct tl_reply){.status = 201, .location = "/v1/uploads/u1"});
	fake_answer((struct tl_reply){.status = 204, .upload_offset = (int64_t)strlen(BYTES)});
}

static void refused(int status)
{
	fake_answer((struct tl_reply){.status = status, .upload_offset = -1});
}

static void an_empty_queue_asks_for_nothing(void **state TL_UNUSED)
{
	tl_delivery_wake(delivery);
	tl_delivery_reachable(delivery);
	assert_int_equal(fake.calls, 0);
}

static void a_request_becomes_a_ticket_under_its_own_key(void **state TL_UNUSED)
{
	const struct tl_item *item = submit("mail is down");
	char key[64];

	tl_delivery_wake(delivery);
	snprintf(key, sizeof(key), "Idempotency-Key: %s\n", item->help_id);
	assert_string_equal(fake.path, "/v1/tickets");
	assert_string_equal(fake.headers, key);
	assert_non_null(strstr(fake.body, "\"summary\":\"mail is down\""));
	assert_non_null(strstr(fake.body, "\"name\":\"ann\""));
}

/* A delivery that has receipts named, with one request whose ticket is there. */
static struct tl_delivery *with_names(struct tl_item **ret_item)
{
	struct tl_delivery *naming = NULL;

	assert_int_equal(tl_delivery_new(&(struct tl_delivery_options){.loop = &loop,
								       .queue = queue,
								       .name_ticket = name_ticket,
								       .bundles_fd = state_fd},
					 &naming, NULL),
			 0);
	*ret_item = submit("mail is down");
	snprintf((*ret_item)->consent, sizeof((*ret_item)->consent), "a.b.c");
	tl_delivery_wake(naming);
	ticket_is("T-7");
	return naming;
}

static void the_receipt_gets_the_ticket_before_anything_is_sent(void **state TL_UNUSED)
{
	struct tl_item *item = NULL;
	struct tl_delivery *naming = with_names(&item);

	assert_string_equal(named_ticket, "T-7");
	assert_string_equal(named_consent, "a.b.c");
	assert_null(fake.open.method);
	tl_delivery_named(naming, "d.e.f");
	assert_string_equal(item->consent, "d.e.f");
	assert_string_equal(fake.path, "/v1/uploads");
	tl_delivery_close(naming);
}

static void without_a_named_receipt_the_first_one_goes(void **state TL_UNUSED)
{
	struct tl_item *item = NULL;
	struct tl_delivery *naming = with_names(&item);

	tl_delivery_named(naming, NULL);
	assert_string_equal(item->consent, "a.b.c");
	assert_string_equal(fake.path, "/v1/uploads");
	tl_delivery_close(naming);
}

static void the_bundle_follows_to_that_ticket_and_is_removed(void **state TL_UNUSED)
{
	const struct tl_item *item = submit("mail is down");

	tl_delivery_wake(delivery);
	ticket_is("T-1001");
	assert_int_equal(item->state, TL_ITEM_UPLOAD);
	assert_string_equal(fake.path, "/v1/uploads");
	assert_non_null(strstr(fake.headers, "ticket VC0xMDAx")); /* T-1001 */
	upload_is_taken();
	assert_int_equal(item->state, TL_ITEM_DONE);
	assert_false(has_bundle(item));
}

static void requests_go_one_after_the_other(void **state TL_UNUSED)
{
	submit("first");
	submit("second");
	tl_delivery_wake(delivery);
	tl_delivery_wake(delivery);
	assert_non_null(strstr(fake.body, "first"));
	ticket_is("T-1");
	upload_is_taken();
	assert_non_null(strstr(fake.body, "second"));
}

static void without_an_answer_it_waits_and_repeats_the_same(void **state TL_UNUSED)
{
	const struct tl_item *item = submit("mail is down");
	char headers[1024];

	tl_delivery_wake(delivery);
	snprintf(headers, sizeof(headers), "%s", fake.headers);
	refused(0);
	assert_int_equal(item->state, TL_ITEM_TICKET);
	assert_string_not_equal(item->text, "");
	fake_fire();
	assert_string_equal(fake.headers, headers);
}

static void a_new_request_does_not_shorten_the_wait(void **state TL_UNUSED)
{
	submit("first");
	tl_delivery_wake(delivery);
	fake_answer((struct tl_reply){.status = 503, .retry_after_ms = 60000});
	submit("second");
	tl_delivery_wake(delivery);
	assert_int_equal(fake.calls, 1);
	assert_in_range(fake.timer_ms, 60000, 61000);
}

static void a_reachable_relay_ends_the_wait_for_a_ticket(void **state TL_UNUSED)
{
	submit("mail is down");
	tl_delivery_wake(delivery);
	refused(0);
	tl_delivery_reachable(delivery);
	assert_int_equal(fake.calls, 2);
	assert_null(fake.timer);
}

static void a_reachable_relay_ends_the_wait_of_an_upload(void **state TL_UNUSED)
{
	submit("mail is down");
	tl_delivery_wake(delivery);
	ticket_is("T-1001");
	refused(0);
	tl_delivery_reachable(delivery);
	assert_string_equal(fake.path, "/v1/uploads");
	assert_int_equal(fake.calls, 3);
}

static void what_the_relay_refuses_fails_and_the_next_goes_on(void **state TL_UNUSED)
{
	const struct tl_item *item = submit("first");

	submit("second");
	tl_delivery_wake(delivery);
	refused(422);
	assert_int_equal(item->state, TL_ITEM_FAILED);
	assert_string_not_equal(item->text, "");
	assert_non_null(strstr(fake.body, "second"));
}

static void an_answer_without_a_number_is_no_ticket(void **state TL_UNUSED)
{
	const struct tl_item *item = submit("mail is down");

	tl_delivery_wake(delivery);
	refused(201);
	assert_int_equal(item->state, TL_ITEM_TICKET);
	assert_string_equal(item->text, "the relay's answer names no ticket");
	assert_non_null(fake.timer);
}

static void a_missing_bundle_fails_with_its_reason(void **state TL_UNUSED)
{
	const struct tl_item *item = submit("mail is down");
	char name[64];

	tl_bundle_file_name(item->help_id, name);
	unlinkat(state_fd, name, 0);
	tl_delivery_wake(delivery);
	ticket_is("T-1001");
	assert_int_equal(item->state, TL_ITEM_FAILED);
	assert_non_null(strstr(item->text, "missing"));
}

int main(void)
{
#define DELIVERY_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		DELIVERY_TEST(an_empty_queue_asks_for_nothing),
		DELIVERY_TEST(a_request_becomes_a_ticket_under_its_own_key),
		DELIVERY_TEST(the_receipt_gets_the_ticket_before_anything_is_sent),
		DELIVERY_TEST(without_a_named_receipt_the_first_one_goes),
		DELIVERY_TEST(the_bundle_follows_to_that_ticket_and_is_removed),
		DELIVERY_TEST(requests_go_one_after_the_other),
		DELIVERY_TEST(without_an_answer_it_waits_and_repeats_the_same),
		DELIVERY_TEST(a_new_request_does_not_shorten_the_wait),
		DELIVERY_TEST(a_reachable_relay_ends_the_wait_for_a_ticket),
		DELIVERY_TEST(a_reachable_relay_ends_the_wait_of_an_upload),
		DELIVERY_TEST(what_the_relay_refuses_fails_and_the_next_goes_on),
		DELIVERY_TEST(an_answer_without_a_number_is_no_ticket),
		DELIVERY_TEST(a_missing_bundle_fails_with_its_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
