/* Receipts of what a person decided. */
#include "../common/tests.h"

#include <fcntl.h>
#include <towline/jwt.h>

#include "../common/scratch.h"
#include "helper/trust.h"

static struct tl_trust trust;
static struct tl_err err;

static int set_up(void **state)
{
	int fd;

	if (scratch_set_up(state) != 0)
		return -1;
	fd = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tl_trust_open(fd, *state, &trust, &err) != 0)
		return -1;
	close(fd);
	trust.pinned = true;
	snprintf(trust.identity.host_id, sizeof(trust.identity.host_id),
		 "01arz3ndektsv4rrffq69g5fav");
	return 0;
}

static int tear_down(void **state)
{
	tl_trust_clear(&trust);
	return scratch_tear_down(state);
}

static void issue(const char *what, const char *decision, struct tl_buf *out)
{
	const struct tl_receipt receipt = {.what = what,
					   .subject = "aa",
					   .help_id = "01arz3ndektsv4rrffq69g5fax",
					   .uid = 0,
					   .decision = decision,
					   .by = "person"};

	assert_int_equal(tl_trust_receipt(&trust, tl_clock_system(), &receipt, out, &err), 0);
}

static int name(const char *text, const char *ticket, json_t **ret_claims)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(8192);
	int rc = tl_trust_name_ticket(&trust, text, ticket, &out, &err);

	if (rc == 0)
		assert_int_equal(tl_jwt_verify(trust.consent_key, TL_JWT_CONSENT, out.data, out.len,
					       ret_claims, &err),
				 0);
	return rc;
}

static void receipt_gets_its_ticket_and_keeps_all_else(void **state TL_UNUSED)
{
	tl_auto(tl_buf) struct tl_buf first = TL_BUF_INIT(8192);
	tl_json *before = NULL, *after = NULL;

	issue("bundle", "yes", &first);
	assert_int_equal(tl_jwt_verify(trust.consent_key, TL_JWT_CONSENT, first.data, first.len,
				       &before, &err),
			 0);
	assert_int_equal(name(tl_buf_str(&first), "T-1001", &after), 0);
	assert_string_equal(json_string_value(json_object_get(after, "ticket")), "T-1001");
	assert_string_equal(json_string_value(json_object_get(after, "help_id")),
			    "01arz3ndektsv4rrffq69g5fax");
	json_object_del(after, "ticket");
	assert_true(json_equal(before, after));
}

static void ticket_of_a_receipt_is_not_changed(void **state TL_UNUSED)
{
	tl_auto(tl_buf) struct tl_buf first = TL_BUF_INIT(8192), named = TL_BUF_INIT(8192);
	tl_json *claims = NULL;

	issue("bundle", "yes", &first);
	assert_int_equal(tl_trust_name_ticket(&trust, tl_buf_str(&first), "T-1001", &named, &err),
			 0);
	assert_int_equal(name(tl_buf_str(&named), "T-1001", &claims), 0);
	assert_int_equal(name(tl_buf_str(&named), "T-1002", &claims), TL_ECONFLICT);
}

static void only_a_yes_to_a_bundle_gets_a_ticket(void **state TL_UNUSED)
{
	tl_auto(tl_buf) struct tl_buf no = TL_BUF_INIT(8192), session = TL_BUF_INIT(8192);
	tl_json *claims = NULL;

	issue("bundle", "no", &no);
	issue("session", "yes", &session);
	assert_int_equal(name(tl_buf_str(&no), "T-1", &claims), TL_ECONFLICT);
	assert_int_equal(name(tl_buf_str(&session), "T-1", &claims), TL_ECONFLICT);
}

static void receipt_of_another_is_refused(void **state TL_UNUSED)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(8192);
	tl_auto(tl_key) struct tl_key *other = NULL;
	tl_json *claims = json_pack("{s:s, s:s}", "what", "bundle", "decision", "yes");
	tl_json *named = NULL;

	assert_int_equal(tl_key_generate(&other, &err), 0);
	assert_int_equal(tl_jwt_sign(other, TL_JWT_CONSENT, claims, &text, &err), 0);
	assert_int_equal(name(tl_buf_str(&text), "T-1", &named), TL_ESIG);
	assert_true(name("no receipt", "T-1", &named) < 0);
}

int main(void)
{
#define RECEIPT_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		RECEIPT_TEST(receipt_gets_its_ticket_and_keeps_all_else),
		RECEIPT_TEST(ticket_of_a_receipt_is_not_changed),
		RECEIPT_TEST(only_a_yes_to_a_bundle_gets_a_ticket),
		RECEIPT_TEST(receipt_of_another_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
