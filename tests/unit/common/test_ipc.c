#include "scratch.h"
#include "tests.h"
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <towline/ipc.h>

static void make_pair(int ends[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
}

static char *path_in(void **state, const char *name)
{
	char *path = NULL;

	assert_true(asprintf(&path, "%s/%s", (char *)*state, name) > 0);
	return path;
}

static int send_raw(int fd, const void *bytes, size_t len)
{
	return send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -1;
}

static void a_message_arrives_with_its_descriptors(void **state TL_UNUSED)
{
	tl_auto(tl_ipc_message) struct tl_ipc_message message = TL_IPC_MESSAGE_INIT;
	tl_json *json = json_pack("{s:i}", "a", 1);
	struct tl_err err = TL_ERR_INIT;
	int ends[2], pipe_ends[2];
	char got;

	make_pair(ends);
	assert_int_equal(pipe(pipe_ends), 0);
	assert_int_equal(tl_ipc_send(ends[0], json, &pipe_ends[1], 1, &err), 0);
	assert_int_equal(tl_ipc_receive(ends[1], &message, &err), 0);
	assert_int_equal(json_integer_value(json_object_get(message.json, "a")), 1);
	assert_int_equal(message.fd_count, 1);
	assert_int_equal(fcntl(message.fds[0], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(write(message.fds[0], "x", 1), 1);
	assert_int_equal(read(pipe_ends[0], &got, 1), 1);
	close(pipe_ends[0]);
	close(pipe_ends[1]);
	close(ends[0]);
	close(ends[1]);
}

static void malformed_packets_break_the_protocol(void **state TL_UNUSED)
{
	static const char *const bad[] = {"x", "{", "[]", "1", "{\"a\":1,\"a\":2}", "{}{}"};
	struct tl_err err = TL_ERR_INIT;
	int ends[2];

	make_pair(ends);
	for (size_t i = 0; i < TL_ARRAY_LEN(bad); i++) {
		tl_auto(tl_ipc_message) struct tl_ipc_message message = TL_IPC_MESSAGE_INIT;

		assert_int_equal(send_raw(ends[0], bad[i], strlen(bad[i])), 0);
		assert_int_equal(tl_ipc_receive(ends[1], &message, &err), TL_EPROTO);
		assert_null(message.json);
	}
	close(ends[0]);
	close(ends[1]);
}

static void a_cut_packet_breaks_the_protocol(void **state TL_UNUSED)
{
	tl_auto(tl_ipc_message) struct tl_ipc_message message = TL_IPC_MESSAGE_INIT;
	tl_free char *big = malloc(TL_IPC_PACKET_MAX + 1);
	struct tl_err err = TL_ERR_INIT;
	int ends[2];

	make_pair(ends);
	memset(big, ' ', TL_IPC_PACKET_MAX + 1);
	big[0] = '{';
	big[1] = '}';
	assert_int_equal(send_raw(ends[0], big, TL_IPC_PACKET_MAX), 0);
	assert_int_equal(tl_ipc_receive(ends[1], &message, &err), 0);
	tl_ipc_message_clear(&message);
	assert_int_equal(send_raw(ends[0], big, TL_IPC_PACKET_MAX + 1), 0);
	assert_int_equal(tl_ipc_receive(ends[1], &message, &err), TL_EPROTO);
	close(ends[0]);
	close(ends[1]);
}

static int count_open(void)
{
	int count = 0;

	for (int fd = 0; fd < 200; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void too_many_descriptors_are_closed(void **state TL_UNUSED)
{
	union {
		char bytes[CMSG_SPACE((TL_IPC_FDS_MAX + 2) * sizeof(int))];
		struct cmsghdr align;
	} control = {.bytes = {0}};
	struct iovec part = {(char[]){"{}"}, 2};
	struct msghdr header = {.msg_iov = &part,
				.msg_iovlen = 1,
				.msg_control = control.bytes,
				.msg_controllen = sizeof control.bytes};
	struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
	tl_auto(tl_ipc_message) struct tl_ipc_message message = TL_IPC_MESSAGE_INIT;
	struct tl_err err = TL_ERR_INIT;
	int ends[2], before, fds[TL_IPC_FDS_MAX + 2] = {0};

	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(sizeof fds);
	memcpy(CMSG_DATA(rights), fds, sizeof fds);
	make_pair(ends);
	before = count_open();
	assert_int_equal(sendmsg(ends[0], &header, 0), 2);
	assert_int_equal(tl_ipc_receive(ends[1], &message, &err), TL_EPROTO);
	assert_int_equal(count_open(), before);
	close(ends[0]);
	close(ends[1]);
}

static void too_large_a_message_is_not_sent(void **state TL_UNUSED)
{
	tl_free char *big = calloc(1, TL_IPC_PACKET_MAX + 1);
	tl_json *json = NULL;
	struct tl_err err = TL_ERR_INIT;
	const int fds[TL_IPC_FDS_MAX + 1] = {0};
	int ends[2];

	make_pair(ends);
	memset(big, 'x', TL_IPC_PACKET_MAX);
	json = json_pack("{s:s}", "a", big);
	assert_int_equal(tl_ipc_send(ends[0], json, NULL, 0, &err), TL_ETOOBIG);
	assert_int_equal(tl_ipc_send(ends[0], json, fds, TL_IPC_FDS_MAX + 1, &err), TL_ETOOBIG);
	close(ends[0]);
	close(ends[1]);
}

static void the_end_of_the_stream_is_unreachable(void **state TL_UNUSED)
{
	tl_auto(tl_ipc_message) struct tl_ipc_message message = TL_IPC_MESSAGE_INIT;
	tl_json *json = json_object();
	struct tl_err err = TL_ERR_INIT;
	int ends[2];

	make_pair(ends);
	close(ends[0]);
	assert_int_equal(tl_ipc_receive(ends[1], &message, &err), TL_EUNREACH);
	assert_int_equal(tl_ipc_send(ends[1], json, NULL, 0, &err), TL_EUNREACH);
	close(ends[1]);
}

static void a_non_blocking_socket_says_busy(void **state TL_UNUSED)
{
	tl_auto(tl_ipc_message) struct tl_ipc_message message = TL_IPC_MESSAGE_INIT;
	tl_json *json = json_object();
	struct tl_err err = TL_ERR_INIT;
	int ends[2], outcome = 0;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
	assert_int_equal(tl_ipc_receive(ends[0], &message, &err), TL_EBUSY);
	for (int i = 0; i < 100000 && !outcome; i++)
		outcome = tl_ipc_send(ends[0], json, NULL, 0, &err);
	assert_int_equal(outcome, TL_EBUSY);
	close(ends[0]);
	close(ends[1]);
}

static void the_peer_is_known(void **state)
{
	tl_free char *path = path_in(state, "agent.sock");
	tl_fd int listening = -1, client = -1, server = -1;
	struct tl_ipc_peer peer;
	struct tl_err err = TL_ERR_INIT;
	struct stat st;

	assert_int_equal(tl_ipc_listen(path, 0620, &listening, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0620);
	assert_int_equal(tl_ipc_accept(listening, &server, &peer, &err), TL_EBUSY);
	assert_int_equal(tl_ipc_connect(path, &client, &err), 0);
	assert_int_equal(tl_ipc_accept(listening, &server, &peer, &err), 0);
	assert_int_equal(peer.pid, getpid());
	assert_int_equal(peer.uid, getuid());
	assert_int_equal(peer.gid, getgid());
	assert_int_equal(fcntl(server, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
}

static void a_live_socket_is_busy_and_a_stale_one_replaced(void **state)
{
	tl_free char *path = path_in(state, "helper.sock");
	tl_fd int first = -1, second = -1, client = -1;
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(tl_ipc_listen(path, 0600, &first, &err), 0);
	assert_int_equal(tl_ipc_listen(path, 0600, &second, &err), TL_EBUSY);
	close(tl_steal_fd(&first));
	assert_int_equal(tl_ipc_connect(path, &client, &err), TL_EUNREACH);
	assert_says(&err, "start towline-helper first");
	assert_int_equal(tl_ipc_listen(path, 0600, &second, &err), 0);
	assert_int_equal(tl_ipc_connect(path, &client, &err), 0);
}

static void another_file_is_not_removed(void **state)
{
	tl_free char *path = path_in(state, "precious");
	tl_fd int file = open(path, O_CREAT | O_WRONLY, 0600), fd = -1;
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(tl_ipc_listen(path, 0600, &fd, &err), TL_EEXIST);
	assert_int_equal(access(path, F_OK), 0);
	assert_true(file >= 0);
}

static void an_overlong_socket_path_is_refused(void **state TL_UNUSED)
{
	char path[200];
	struct tl_err err = TL_ERR_INIT;
	int fd = -1;

	memset(path, 'x', sizeof path - 1);
	path[sizeof path - 1] = '\0';
	assert_int_equal(tl_ipc_listen(path, 0600, &fd, &err), TL_EINVAL);
	assert_int_equal(tl_ipc_connect(path, &fd, &err), TL_EINVAL);
}

/* Replies are in the socket before the call is made: no second thread is needed. */
static int call_with(const char *const *replies, size_t count, struct tl_ipc_message *result,
		     struct tl_err *err)
{
	tl_json *args = json_pack("{s:s}", "x", "y");
	tl_auto(tl_ipc_message) struct tl_ipc_message request = TL_IPC_MESSAGE_INIT;
	int ends[2], outcome;

	make_pair(ends);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(send_raw(ends[0], replies[i], strlen(replies[i])), 0);
	outcome = tl_ipc_call(ends[1], "status", args, NULL, 0, 0, result, err);
	assert_int_equal(tl_ipc_receive(ends[0], &request, NULL), 0);
	assert_string_equal(json_string_value(json_object_get(request.json, "verb")), "status");
	assert_non_null(json_object_get(json_object_get(request.json, "args"), "x"));
	close(ends[0]);
	close(ends[1]);
	return outcome;
}

static void a_call_returns_the_result_past_events(void **state TL_UNUSED)
{
	static const char *const replies[] = {"{\"event\":\"e\",\"args\":{}}",
					      "{\"id\":1,\"result\":{\"n\":7}}"};
	tl_auto(tl_ipc_message) struct tl_ipc_message result = TL_IPC_MESSAGE_INIT;
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(call_with(replies, 2, &result, &err), 0);
	assert_int_equal(json_integer_value(json_object_get(result.json, "n")), 7);
}

static void an_error_reply_becomes_its_code_and_text(void **state TL_UNUSED)
{
	static const char *const replies[] = {
		"{\"id\":1,\"error\":{\"code\":\"EDENIED\",\"text\":\"not today\"}}"};
	tl_auto(tl_ipc_message) struct tl_ipc_message result = TL_IPC_MESSAGE_INIT;
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(call_with(replies, 1, &result, &err), TL_EDENIED);
	assert_string_equal(tl_err_text(&err), "not today");
}

static void odd_replies_break_the_protocol(void **state TL_UNUSED)
{
	static const char *const odd[] = {
		"{\"id\":2,\"result\":{}}",
		"{\"id\":1}",
		"{\"id\":1,\"result\":{},\"error\":{}}",
		"{\"id\":1,\"error\":{\"code\":\"EWHAT\"}}",
		"{\"id\":1,\"error\":7}",
		"{}",
	};

	for (size_t i = 0; i < TL_ARRAY_LEN(odd); i++) {
		tl_auto(tl_ipc_message) struct tl_ipc_message result = TL_IPC_MESSAGE_INIT;
		struct tl_err err = TL_ERR_INIT;

		assert_int_equal(call_with(&odd[i], 1, &result, &err), TL_EPROTO);
		assert_null(result.json);
	}
}

static void a_silent_server_times_out(void **state TL_UNUSED)
{
	tl_auto(tl_ipc_message) struct tl_ipc_message result = TL_IPC_MESSAGE_INIT;
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(call_with(NULL, 0, &result, &err), TL_ETIMEOUT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_set_up, scratch_tear_down)
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_arrives_with_its_descriptors),
		cmocka_unit_test(malformed_packets_break_the_protocol),
		cmocka_unit_test(a_cut_packet_breaks_the_protocol),
		cmocka_unit_test(too_many_descriptors_are_closed),
		cmocka_unit_test(too_large_a_message_is_not_sent),
		cmocka_unit_test(the_end_of_the_stream_is_unreachable),
		cmocka_unit_test(a_non_blocking_socket_says_busy),
		TEST(the_peer_is_known),
		TEST(a_live_socket_is_busy_and_a_stale_one_replaced),
		TEST(another_file_is_not_removed),
		cmocka_unit_test(an_overlong_socket_path_is_refused),
		cmocka_unit_test(a_call_returns_the_result_past_events),
		cmocka_unit_test(an_error_reply_becomes_its_code_and_text),
		cmocka_unit_test(odd_replies_break_the_protocol),
		cmocka_unit_test(a_silent_server_times_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
