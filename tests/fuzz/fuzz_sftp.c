/* Both directions of an SFTP channel, as a recording follows them. Each block of input begins with a byte
 * that says whose it is and a byte for its length. */
#include <stdlib.h>

#include "../../common/record_sftp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_event(void *arg, const struct tl_sftp_event *event, struct tl_err *err TL_UNUSED)
{
	size_t *count = arg;

	if (!event->op || !event->path)
		abort();
	++*count;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t events = 0;
	struct tl_sftp *sftp = tl_sftp_new(on_event, &events);
	struct tl_err err = TL_ERR_INIT;
	int r = 0;

	if (!sftp)
		return 0;
	while (r == 0 && size > 2) {
		size_t len = data[1] < size - 2 ? data[1] : size - 2;

		r = data[0] & 1 ? tl_sftp_reply(sftp, data + 2, len, &err)
				: tl_sftp_request(sftp, data + 2, len, &err);
		data += 2 + len;
		size -= 2 + len;
	}
	if (tl_sftp_end(sftp, &err) < 0)
		abort();
	tl_sftp_free(sftp);
	return 0;
}
