#include "../common/tests.h"

#include <fcntl.h>
#include <towline/fs.h>
#include <towline/json.h>
#include <unistd.h>

#include "../common/scratch.h"
#include "core/identity.h"

/* RFC 8037, appendix A.2 */
#define PUBLIC "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"

static struct tl_identity sample(void)
{
	struct tl_identity identity = {.url = "https://relay:8443",
				       .name = "web-1",
				       .authority_key = PUBLIC};

	snprintf(identity.host_id, sizeof(identity.host_id), "%s",
		 tl_id_new(tl_clock_system()).text);
	snprintf(identity.relay_id, sizeof(identity.relay_id), "%s",
		 tl_id_new(tl_clock_system()).text);
	return identity;
}

static int open_dir(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void without_enrolment_the_sentence_says_what_to_do(void **state)
{
	tl_fd int fd = open_dir(*state);
	struct tl_identity identity;
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(tl_identity_load(fd, &identity, &err), TL_ENOENT);
	assert_says(&err, "towline-agent enroll");
}

static void an_identity_is_kept(void **state)
{
	tl_fd int fd = open_dir(*state);
	struct tl_identity identity = sample(), loaded;

	assert_int_equal(tl_identity_save(fd, &identity, NULL), 0);
	assert_int_equal(tl_identity_load(fd, &loaded, NULL), 0);
	assert_true(tl_identity_equal(&identity, &loaded));
	assert_string_equal(loaded.url, identity.url);
	assert_string_equal(loaded.name, identity.name);
}

static void members_of_a_wrong_form_are_refused(void **state)
{
	static const struct {
		const char *member, *value;
	} wrong[] = {{"url", "http://relay"}, {"host_id", "me"}, {"authority_key", "short"}};
	struct tl_identity identity = sample(), read;

	(void)state;
	for (size_t i = 0; i < TL_ARRAY_LEN(wrong); i++) {
		tl_json *json = tl_identity_json(&identity);

		json_object_set_new(json, wrong[i].member, json_string(wrong[i].value));
		assert_int_equal(tl_identity_from_json(json, &read, NULL), TL_EINVAL);
	}
}

static void a_key_is_made_once(void **state)
{
	tl_fd int fd = open_dir(*state);
	tl_auto(tl_key) struct tl_key *first = NULL;
	tl_auto(tl_key) struct tl_key *second = NULL;
	char a[TL_KEY_ID_LEN + 1], b[TL_KEY_ID_LEN + 1];

	assert_int_equal(tl_identity_key(fd, TL_IDENTITY_KEY_FILE, &first, NULL), 0);
	assert_int_equal(tl_identity_key(fd, TL_IDENTITY_KEY_FILE, &second, NULL), 0);
	tl_key_id(first, a);
	tl_key_id(second, b);
	assert_string_equal(a, b);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_set_up, scratch_tear_down)

static void the_relays_host_is_read_from_its_url(void **state TL_UNUSED)
{
	static const char *const rows[][2] = {
		{"https://relay.example.org:8443", "relay.example.org"},
		{"https://relay.example.org", "relay.example.org"},
		{"https://relay/x", "relay"},
		{"https://192.0.2.1:1", "192.0.2.1"},
		{"https://[2001:db8::1]:8443", "2001:db8::1"},
		{"", ""},
	};
	char host[TL_RELAY_HOST_MAX];

	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++) {
		struct tl_identity identity = {.name = ""};

		snprintf(identity.url, sizeof identity.url, "%s", rows[i][0]);
		tl_identity_relay_host(&identity, host);
		assert_string_equal(host, rows[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(without_enrolment_the_sentence_says_what_to_do),
		IN_SCRATCH(an_identity_is_kept),
		cmocka_unit_test(members_of_a_wrong_form_are_refused),
		IN_SCRATCH(a_key_is_made_once),
		cmocka_unit_test(the_relays_host_is_read_from_its_url),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
