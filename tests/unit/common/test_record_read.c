#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <towline/jwt.h>
#include <towline/record.h>
#include <towline/str.h>
#include <cmocka.h>

#define TEXT_MAX (64 * 1024)

/* Two recordings of one recorder, in memory, as they were sealed. */
struct recording {
	char text[TEXT_MAX];
	size_t len;
};

static struct {
	struct tl_key *endpoint, *relay;
	struct recording one, two;
} t;

static void make(struct recording *recording, const char *session, const char *word)
{
	struct tl_record_header header = {session, "T-1001",	 "web-01",
					  "eva",   "end-to-end", "endpoint"};
	struct tl_clock_fake clock;
	struct tl_record *record = NULL;
	char path[] = "/tmp/recordXXXXXX";
	int fd = mkstemp(path);
	FILE *in;

	assert_true(fd >= 0);
	tl_clock_fake_init(&clock, 1700000000000);
	assert_int_equal(tl_record_new(fd, &header, 0, &clock.clock, &record, NULL), 0);
	assert_int_equal(tl_record_open(record, 1, "shell", NULL, 80, 24, NULL), 0);
	for (int i = 0; i < 4; i++) {
		char line[64];

		tl_clock_fake_advance(&clock, 250);
		snprintf(line, sizeof(line), "%s %d\r\n", word, i);
		assert_int_equal(tl_record_output(record, 1, line, strlen(line), NULL), 0);
	}
	assert_int_equal(tl_record_close(record, 1, NULL), 0);
	assert_int_equal(tl_record_seal(record, t.endpoint, NULL), 0);
	tl_record_free(record);
	in = fopen(path, "r");
	assert_non_null(in);
	recording->len = fread(recording->text, 1, sizeof(recording->text) - 1, in);
	recording->text[recording->len] = '\0';
	fclose(in);
	unlink(path);
}

static int setup(void **state)
{
	(void)state;
	assert_int_equal(tl_key_generate(&t.endpoint, NULL), 0);
	assert_int_equal(tl_key_generate(&t.relay, NULL), 0);
	make(&t.one, "01first", "alpha");
	make(&t.two, "01other", "beta");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tl_key_free(t.endpoint);
	tl_key_free(t.relay);
	return 0;
}

static int verify(const struct recording *recording, struct tl_record_facts *facts)
{
	FILE *in = fmemopen((void *)(uintptr_t)recording->text, recording->len, "r");
	int rc = tl_record_verify(in, t.endpoint, facts, NULL);

	fclose(in);
	return rc;
}

/* The line with that number, from 0, and its length with the newline. */
static char *line_of(struct recording *recording, unsigned number, size_t *ret_len)
{
	char *line = recording->text;

	while (number-- > 0)
		line = strchr(line, '\n') + 1;
	*ret_len = (size_t)(strchr(line, '\n') + 1 - line);
	return line;
}

static void facts_name_session_recorder_and_head(void **state)
{
	struct tl_record_facts facts;

	(void)state;
	assert_int_equal(verify(&t.one, &facts), 0);
	assert_string_equal(facts.session, "01first");
	assert_string_equal(facts.recorder, "endpoint");
	assert_true(facts.sealed);
	assert_non_null(strstr(t.one.text, facts.head));
}

static void lines_in_another_order_are_found(void **state)
{
	struct tl_record_facts facts;
	char copy[4096];
	size_t first, second;
	char *at = line_of(&t.one, 3, &first);

	(void)state;
	(void)line_of(&t.one, 4, &second);
	memcpy(copy, at, first);
	memmove(at, at + first, second);
	memcpy(at + second, copy, first);
	assert_int_equal(verify(&t.one, &facts), TL_ESIG);
}

static void a_line_of_another_recording_is_found(void **state)
{
	struct tl_record_facts facts;
	struct recording spliced = {.len = 0};
	size_t own, other;
	char *mine = line_of(&t.one, 3, &own), *theirs = line_of(&t.two, 3, &other);

	(void)state;
	spliced.len = (size_t)(mine - t.one.text);
	memcpy(spliced.text, t.one.text, spliced.len);
	memcpy(spliced.text + spliced.len, theirs, other);
	spliced.len += other;
	memcpy(spliced.text + spliced.len, mine + own, strlen(mine + own));
	spliced.len += strlen(mine + own);
	assert_int_equal(verify(&spliced, &facts), TL_ESIG);
}

static void what_was_cut_off_at_a_line_has_no_seal(void **state)
{
	struct tl_record_facts facts;
	size_t len;

	(void)state;
	t.one.len = (size_t)(line_of(&t.one, 5, &len) - t.one.text);
	assert_int_equal(verify(&t.one, &facts), 0);
	assert_false(facts.has_seal);
	assert_false(facts.sealed);
}

static void the_seal_of_another_session_is_found(void **state)
{
	struct tl_record_facts facts;
	char *seal = strstr(t.one.text, "\"jws\":\""), *other = strstr(t.two.text, "\"jws\":\"");
	size_t last_len, lines = 0;
	char *last;

	(void)state;
	assert_int_equal(strcspn(seal + 7, "\""), strcspn(other + 7, "\""));
	memcpy(seal + 7, other + 7, strcspn(other + 7, "\""));
	for (const char *c = t.one.text; *c; c++)
		lines += *c == '\n';
	/* The chain is mended by whoever swaps the seal: everybody can compute it. */
	last = line_of(&t.one, (unsigned)lines - 1, &last_len);
	{
		char *before = line_of(&t.one, (unsigned)lines - 2, &last_len);
		char *hash = strstr(last, ",\"h\":\"") + 6, hex[TL_SHA256_HEX];
		tl_auto(tl_buf) struct tl_buf body = TL_BUF_INIT(TEXT_MAX);

		tl_buf_append(&body, strstr(before, ",\"h\":\"") + 6, 64);
		tl_buf_append(&body, last, (size_t)(hash - 6 - last));
		tl_sha256_hex_of(body.data, body.len, hex);
		memcpy(hash, hex, 64);
	}
	assert_int_equal(verify(&t.one, &facts), TL_ESIG);
}

/* ---- the countersignature --------------------------------------------------------------------- */

static int countersigned(const struct tl_key *key, const char *session, const char *head,
			 json_int_t lines)
{
	char sha256[TL_SHA256_HEX];
	tl_auto(tl_buf) struct tl_buf jws = TL_BUF_INIT(TL_JWT_MAX);
	struct tl_record_facts facts;
	int64_t received_s = 0;
	tl_json *claims = NULL;
	int rc;

	assert_int_equal(verify(&t.one, &facts), 0);
	tl_sha256_hex_of(t.one.text, t.one.len, sha256);
	claims = json_pack("{s:s,s:s,s:s,s:I,s:I}", "session", session, "sha256", sha256, "head",
			   head ? head : facts.head, "lines",
			   lines ? lines : (json_int_t)facts.lines, "iat", (json_int_t)1700000009);
	assert_int_equal(tl_jwt_sign(key, TL_JWT_RECORDING, claims, &jws, NULL), 0);
	rc = tl_record_countersigned(tl_buf_str(&jws), t.relay, &facts, sha256, &received_s, NULL);
	if (rc == 0)
		assert_int_equal(received_s, 1700000009);
	return rc;
}

static void the_relays_countersignature_says_when_it_came(void **state)
{
	(void)state;
	assert_int_equal(countersigned(t.relay, "01first", NULL, 0), 0);
}

static void a_countersignature_of_something_else_is_refused(void **state)
{
	(void)state;
	assert_int_equal(countersigned(t.endpoint, "01first", NULL, 0), TL_ESIG);
	assert_int_equal(countersigned(t.relay, "01other", NULL, 0), TL_ESIG);
	assert_int_equal(countersigned(t.relay, "01first", "00", 0), TL_ESIG);
	assert_int_equal(countersigned(t.relay, "01first", NULL, 3), TL_ESIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(facts_name_session_recorder_and_head),
		T(lines_in_another_order_are_found),
		T(a_line_of_another_recording_is_found),
		T(what_was_cut_off_at_a_line_has_no_seal),
		T(the_seal_of_another_session_is_found),
		T(the_relays_countersignature_says_when_it_came),
		T(a_countersignature_of_something_else_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
