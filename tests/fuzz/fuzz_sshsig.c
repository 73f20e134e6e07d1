/* Armoured signatures from outside. None that comes out of here was made by the key that it carries over this
 * message, but those of the corpus. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <towline/sshkey.h>
#include <towline/sshsig.h>

#define MESSAGE "let me in\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(2 * TL_SSHSIG_MAX);
	tl_auto(tl_buf) struct tl_buf key = TL_BUF_INIT(TL_SSH_KEY_BLOB_MAX);
	struct tl_err err = TL_ERR_INIT;

	tl_buf_append(&text, data, size);
	if (tl_buf_check(&text))
		return 0;
	if (tl_sshsig_verify(tl_buf_str(&text), TL_SSHSIG_SESSION, MESSAGE, strlen(MESSAGE), &key,
			     &err) == 0 &&
	    key.len == 0)
		abort();
	return 0;
}
