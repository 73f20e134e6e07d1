#include <string.h>
#include <towline/sshkey.h>

static void put_number(struct tl_buf *out, uint64_t value, int bytes)
{
	while (bytes-- > 0)
		tl_buf_putc(out, (char)(value >> 8 * bytes & 0xff));
}

void tl_ssh_put_u32(struct tl_buf *out, uint32_t value)
{
	put_number(out, value, 4);
}

void tl_ssh_put_u64(struct tl_buf *out, uint64_t value)
{
	put_number(out, value, 8);
}

void tl_ssh_put_string(struct tl_buf *out, const void *bytes, size_t len)
{
	tl_ssh_put_u32(out, (uint32_t)len);
	tl_buf_append(out, bytes, len);
}

void tl_ssh_put_text(struct tl_buf *out, const char *text)
{
	tl_ssh_put_string(out, text, strlen(text));
}
