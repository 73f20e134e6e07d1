/* Through the recording, as sessions use it: packets go in on both sides, lines come out. */
#include <fcntl.h>
#include <towline/record.h>
#include <towline/str.h>
#include <unistd.h>

#include "tests.h"

enum { OPEN = 3, CLOSE = 4, READ = 5, WRITE = 6, REMOVE = 13, RENAME = 18, EXTENDED = 200 };
enum { STATUS = 101, HANDLE = 102, DATA = 103 };

struct tape {
	struct tl_record *record;
	char *lines; /* what was recorded */
	size_t len;
};

static void on_line(void *arg, const char *line, size_t len)
{
	struct tape *tape = arg;

	tape->lines = realloc(tape->lines, tape->len + len + 1);
	assert_non_null(tape->lines);
	memcpy(tape->lines + tape->len, line, len);
	tape->len += len;
	tape->lines[tape->len] = '\0';
}

static int set_up(void **state)
{
	static const struct tl_record_header header = {"s", "T-1", "h", "erin", "bastion", "relay"};
	struct tape *tape = calloc(1, sizeof *tape);
	struct tl_err err = TL_ERR_INIT;
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	assert_non_null(tape);
	assert_true(fd >= 0);
	assert_int_equal(tl_record_new(fd, &header, 0, tl_clock_system(), &tape->record, &err), 0);
	tl_record_set_tap(tape->record, on_line, tape);
	assert_int_equal(tl_record_open(tape->record, 1, "subsystem", "sftp", 0, 0, &err), 0);
	*state = tape;
	return 0;
}

static int tear_down(void **state)
{
	struct tape *tape = *state;

	tl_record_free(tape->record);
	free(tape->lines);
	free(tape);
	return 0;
}

/* ---- packets: type, request id, then the fields -------------------------------------------------- */

struct packet {
	uint8_t bytes[1024];
	size_t len;
};

static void put_u32(struct packet *packet, uint32_t value)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		packet->bytes[packet->len++] = (uint8_t)(value >> shift);
}

static void put_text(struct packet *packet, const char *text)
{
	put_u32(packet, (uint32_t)strlen(text));
	memcpy(packet->bytes + packet->len, text, strlen(text));
	packet->len += strlen(text);
}

static struct packet begin(uint8_t type, uint32_t id)
{
	struct packet packet = {.len = 4};

	packet.bytes[packet.len++] = type;
	put_u32(&packet, id);
	return packet;
}

static void finish(struct packet *packet)
{
	size_t len = packet->len;

	packet->len = 0;
	put_u32(packet, (uint32_t)len - 4);
	packet->len = len;
}

static int ask(struct tape *tape, struct packet packet)
{
	struct tl_err err = TL_ERR_INIT;

	finish(&packet);
	return tl_record_input(tape->record, 1, packet.bytes, packet.len, &err);
}

static int answer(struct tape *tape, struct packet packet)
{
	struct tl_err err = TL_ERR_INIT;

	finish(&packet);
	return tl_record_output(tape->record, 1, packet.bytes, packet.len, &err);
}

static void answer_status(struct tape *tape, uint32_t id, uint32_t code)
{
	struct packet packet = begin(STATUS, id);

	put_u32(&packet, code);
	put_text(&packet, "");
	put_text(&packet, "");
	assert_int_equal(answer(tape, packet), 0);
}

static void open_file(struct tape *tape, uint32_t id, const char *path, const char *handle)
{
	struct packet request = begin(OPEN, id), reply = begin(HANDLE, id);

	put_text(&request, path);
	put_u32(&request, 1);
	put_u32(&request, 0);
	assert_int_equal(ask(tape, request), 0);
	put_text(&reply, handle);
	assert_int_equal(answer(tape, reply), 0);
}

static void write_at(struct tape *tape, uint32_t id, const char *handle, uint32_t offset,
		     const char *text)
{
	struct packet request = begin(WRITE, id);

	put_text(&request, handle);
	put_u32(&request, 0);
	put_u32(&request, offset);
	put_text(&request, text);
	assert_int_equal(ask(tape, request), 0);
}

static void close_file(struct tape *tape, uint32_t id, const char *handle)
{
	struct packet request = begin(CLOSE, id);

	put_text(&request, handle);
	assert_int_equal(ask(tape, request), 0);
	answer_status(tape, id, 0);
}

static void assert_recorded(const struct tape *tape, const char *words)
{
	if (!strstr(tape->lines, words))
		fail_msg("\"%s\" is not recorded in\n%s", words, tape->lines);
}

/* ---- what is recorded --------------------------------------------------------------------------- */

static void a_file_that_was_sent_is_told_with_size_and_hash(void **state)
{
	struct tape *tape = *state;

	open_file(tape, 1, "/srv/a \"b\"", "h1");
	write_at(tape, 2, "h1", 0, "ab");
	write_at(tape, 3, "h1", 2, "c");
	answer_status(tape, 2, 0);
	answer_status(tape, 3, 0);
	close_file(tape, 4, "h1");
	assert_recorded(tape,
			"\"op\":\"transfer\",\"path\":\"/srv/a \\\"b\\\"\",\"ok\":true,"
			"\"written_bytes\":3,\"written_sha256\":\"ba7816bf8f01cfea414140de5dae"
			"2223b00361a396177a9cb410ff61f20015ad\"");
}

static void a_file_that_was_read_is_told_with_size_and_hash(void **state)
{
	struct tape *tape = *state;
	struct packet request = begin(READ, 2), reply = begin(DATA, 2);

	open_file(tape, 1, "/etc/hosts", "h1");
	put_text(&request, "h1");
	put_u32(&request, 0);
	put_u32(&request, 0);
	put_u32(&request, 32768);
	assert_int_equal(ask(tape, request), 0);
	put_text(&reply, "abc");
	assert_int_equal(answer(tape, reply), 0);
	close_file(tape, 3, "h1");
	assert_recorded(tape, "\"path\":\"/etc/hosts\",\"ok\":true,\"read_bytes\":3,"
			      "\"read_sha256\":\"ba7816bf");
}

static void bytes_out_of_order_have_a_size_and_no_hash(void **state)
{
	struct tape *tape = *state;

	open_file(tape, 1, "/a", "h");
	write_at(tape, 2, "h", 5, "later");
	write_at(tape, 3, "h", 0, "first");
	close_file(tape, 4, "h");
	assert_recorded(tape, "\"written_bytes\":10,\"h\":");
}

static void a_write_that_failed_is_not_ok(void **state)
{
	struct tape *tape = *state;

	open_file(tape, 1, "/full", "h");
	write_at(tape, 2, "h", 0, "x");
	answer_status(tape, 2, 4);
	close_file(tape, 3, "h");
	assert_recorded(tape, "\"path\":\"/full\",\"ok\":false");
}

static void a_refused_open_is_told(void **state)
{
	struct tape *tape = *state;
	struct packet request = begin(OPEN, 1);

	put_text(&request, "/etc/shadow");
	put_u32(&request, 1);
	put_u32(&request, 0);
	assert_int_equal(ask(tape, request), 0);
	answer_status(tape, 1, 3);
	assert_recorded(tape, "\"op\":\"open\",\"path\":\"/etc/shadow\",\"ok\":false");
}

static void what_changes_names_is_told_with_both(void **state)
{
	struct tape *tape = *state;
	struct packet rename = begin(RENAME, 1), link = begin(EXTENDED, 2),
		      remove = begin(REMOVE, 3);

	put_text(&rename, "/a");
	put_text(&rename, "/b");
	assert_int_equal(ask(tape, rename), 0);
	answer_status(tape, 1, 0);
	put_text(&link, "hardlink@openssh.com");
	put_text(&link, "/b");
	put_text(&link, "/c");
	assert_int_equal(ask(tape, link), 0);
	answer_status(tape, 2, 0);
	put_text(&remove, "/b");
	assert_int_equal(ask(tape, remove), 0);
	answer_status(tape, 3, 2);
	assert_recorded(tape, "\"op\":\"rename\",\"path\":\"/a\",\"to\":\"/b\",\"ok\":true");
	assert_recorded(tape, "\"op\":\"link\",\"path\":\"/b\",\"to\":\"/c\",\"ok\":true");
	assert_recorded(tape, "\"op\":\"remove\",\"path\":\"/b\",\"ok\":false");
}

static void an_unknown_extension_is_told_by_name(void **state)
{
	struct tape *tape = *state;
	struct packet request = begin(EXTENDED, 1);

	put_text(&request, "new@example.org");
	assert_int_equal(ask(tape, request), 0);
	answer_status(tape, 1, 8);
	assert_recorded(tape, "\"op\":\"extended\",\"path\":\"new@example.org\",\"ok\":false");
}

static void a_file_that_is_open_at_the_end_is_told_as_not_ok(void **state)
{
	struct tape *tape = *state;
	struct tl_err err = TL_ERR_INIT;

	open_file(tape, 1, "/half", "h");
	write_at(tape, 2, "h", 0, "ha");
	assert_int_equal(tl_record_close(tape->record, 1, &err), 0);
	assert_recorded(tape, "\"path\":\"/half\",\"ok\":false,\"written_bytes\":2");
}

static void the_contents_are_not_recorded(void **state)
{
	struct tape *tape = *state;

	open_file(tape, 1, "/a", "h");
	write_at(tape, 2, "h", 0, "private words");
	close_file(tape, 3, "h");
	assert_null(strstr(tape->lines, "private"));
}

static void packets_may_come_in_any_pieces(void **state)
{
	struct tape *tape = *state;
	struct packet request = begin(WRITE, 2);
	struct tl_err err = TL_ERR_INIT;

	open_file(tape, 1, "/a", "h");
	put_text(&request, "h");
	put_u32(&request, 0);
	put_u32(&request, 0);
	put_text(&request, "abc");
	finish(&request);
	for (size_t i = 0; i < request.len; i++)
		assert_int_equal(tl_record_input(tape->record, 1, request.bytes + i, 1, &err), 0);
	close_file(tape, 3, "h");
	assert_recorded(tape, "\"written_sha256\":\"ba7816bf");
}

/* OpenSSH's handles count from 0: an answer need not be waited for to know them. */
static void a_write_to_a_handle_that_is_guessed_does_not_pass(void **state)
{
	struct tape *tape = *state;
	struct packet request = begin(OPEN, 1), early = begin(WRITE, 2);

	put_text(&request, "/root/.profile");
	put_u32(&request, 2);
	put_u32(&request, 0);
	assert_int_equal(ask(tape, request), 0);
	put_text(&early, "h");
	put_u32(&early, 0);
	put_u32(&early, 0);
	put_text(&early, "unseen");
	assert_int_equal(ask(tape, early), TL_EPROTO);
}

static void a_write_behind_the_close_does_not_pass(void **state)
{
	struct tape *tape = *state;
	struct packet request = begin(CLOSE, 2), late = begin(WRITE, 3);

	open_file(tape, 1, "/a", "h");
	put_text(&request, "h");
	assert_int_equal(ask(tape, request), 0);
	put_text(&late, "h");
	put_u32(&late, 0);
	put_u32(&late, 0);
	put_text(&late, "another file's");
	assert_int_equal(ask(tape, late), TL_EPROTO);
}

static void a_path_that_no_system_takes_does_not_pass(void **state)
{
	struct tape *tape = *state;
	static uint8_t request[4 + 5 + 4 + 65536] = {0, 1, 0, 9, REMOVE, 0, 0, 0, 1, 0, 1, 0, 0};
	struct tl_err err = TL_ERR_INIT;

	memset(request + 13, 'a', 65536);
	assert_int_equal(tl_record_input(tape->record, 1, request, sizeof request, &err),
			 TL_EPROTO);
}

static void what_is_no_sftp_does_not_pass(void **state)
{
	struct tape *tape = *state;
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(tl_record_input(tape->record, 1, "\xff\xff\xff\xff", 4, &err), TL_EPROTO);
	assert_says(&err, "does not follow SFTP");
	assert_int_equal(tl_record_output(tape->record, 1, "\0\0\0\x05\x65\0\0\0\x09", 9, &err),
			 TL_EPROTO);
	assert_int_equal(tl_record_note(tape->record, 1, "it ends", &err), 0);
}

int main(void)
{
#define WITH_TAPE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		WITH_TAPE(a_file_that_was_sent_is_told_with_size_and_hash),
		WITH_TAPE(a_file_that_was_read_is_told_with_size_and_hash),
		WITH_TAPE(bytes_out_of_order_have_a_size_and_no_hash),
		WITH_TAPE(a_write_that_failed_is_not_ok),
		WITH_TAPE(a_refused_open_is_told),
		WITH_TAPE(what_changes_names_is_told_with_both),
		WITH_TAPE(an_unknown_extension_is_told_by_name),
		WITH_TAPE(a_file_that_is_open_at_the_end_is_told_as_not_ok),
		WITH_TAPE(the_contents_are_not_recorded),
		WITH_TAPE(packets_may_come_in_any_pieces),
		WITH_TAPE(a_write_to_a_handle_that_is_guessed_does_not_pass),
		WITH_TAPE(a_write_behind_the_close_does_not_pass),
		WITH_TAPE(a_path_that_no_system_takes_does_not_pass),
		WITH_TAPE(what_is_no_sftp_does_not_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
