/* One packet as a peer could send it, received and answered as a reply. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <towline/ipc.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	tl_auto(tl_ipc_message) struct tl_ipc_message message = TL_IPC_MESSAGE_INIT;
	tl_auto(tl_ipc_message) struct tl_ipc_message result = TL_IPC_MESSAGE_INIT;
	struct tl_err err = TL_ERR_INIT;
	int ends[2];

	if (size == 0 || size > TL_IPC_PACKET_MAX + 1)
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		abort();
	if (send(ends[0], data, size, MSG_NOSIGNAL) == (ssize_t)size &&
	    tl_ipc_receive(ends[1], &message, &err) == 0 && !json_is_object(message.json))
		abort();
	if (send(ends[0], data, size, MSG_NOSIGNAL) == (ssize_t)size &&
	    tl_ipc_call(ends[1], "status", NULL, NULL, 0, 0, &result, &err) == 0 && !result.json)
		abort();
	close(ends[0]);
	close(ends[1]);
	return 0;
}
