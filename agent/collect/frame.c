#include "collect/frame.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

struct header {
	uint32_t kind, len;
};

/* Moves the vectors on by what was sent. */
static void advance(struct msghdr *message, size_t sent)
{
	while (message->msg_iovlen > 0 && sent >= message->msg_iov->iov_len) {
		sent -= message->msg_iov->iov_len;
		message->msg_iov++;
		message->msg_iovlen--;
	}
	if (message->msg_iovlen > 0) {
		message->msg_iov->iov_base = (char *)message->msg_iov->iov_base + sent;
		message->msg_iov->iov_len -= sent;
	}
}

int frame_send(int fd, enum frame_kind kind, const struct tl_buf *head, const struct tl_buf *rest,
	       struct tl_err *err)
{
	size_t head_len = head ? head->len : 0, rest_len = rest ? rest->len : 0;
	struct header header = {.kind = (uint32_t)kind, .len = (uint32_t)(head_len + rest_len)};
	struct iovec parts[] = {
		{&header, sizeof header},
		{head_len ? head->data : NULL, head_len},
		{rest_len ? rest->data : NULL, rest_len},
	};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = TL_ARRAY_LEN(parts)};

	if (head_len + rest_len > FRAME_PAYLOAD_MAX)
		return tl_err_set(err, TL_ETOOBIG, "a collector's message is too large");
	while (message.msg_iovlen > 0) {
		ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return tl_err_sys(err, TL_EUNREACH, errno,
					  "the collection's main process has gone");
		advance(&message, (size_t)sent);
	}
	return 0;
}

int frame_next(const struct tl_buf *in, struct frame *ret_frame, struct tl_err *err)
{
	struct header header;

	if (in->len < sizeof header)
		return 0;
	memcpy(&header, in->data, sizeof header);
	if (header.kind < FRAME_CANARY || header.kind > FRAME_ROW || header.len > FRAME_PAYLOAD_MAX)
		return tl_err_set(err, TL_EPROTO, "a collecting process sent what is no message");
	if (in->len - sizeof header < header.len)
		return 0;
	*ret_frame = (struct frame){
		.kind = (enum frame_kind)header.kind,
		.payload = in->data + sizeof header,
		.len = header.len,
	};
	return 1;
}

void frame_consume(struct tl_buf *in, const struct frame *frame)
{
	tl_buf_consume(in, sizeof(struct header) + frame->len);
}
