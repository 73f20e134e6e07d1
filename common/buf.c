#include <towline/buf.h>

#include <assert.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FIRST_CAPACITY 64

void tl_buf_init(struct tl_buf *buf, size_t max_bytes)
{
	*buf = (struct tl_buf)TL_BUF_INIT(max_bytes);
}

/* realloc(3) would leave a copy of a secret behind. */
static char *move_secret(struct tl_buf *buf, size_t capacity)
{
	char *data = malloc(capacity);

	if (!data)
		return NULL;
	if (buf->data) {
		memcpy(data, buf->data, buf->len + 1);
		OPENSSL_cleanse(buf->data, buf->capacity);
		free(buf->data);
	}
	return data;
}

static bool grow(struct tl_buf *buf, size_t needed)
{
	size_t capacity = buf->capacity ? buf->capacity : FIRST_CAPACITY;
	char *data;

	while (capacity < needed)
		capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
	if (buf->max < SIZE_MAX && capacity > buf->max + 1)
		capacity = buf->max + 1;
	data = buf->secret ? move_secret(buf, capacity) : realloc(buf->data, capacity);
	if (!data)
		return false;
	buf->data = data;
	buf->capacity = capacity;
	return true;
}

char *tl_buf_reserve(struct tl_buf *buf, size_t len)
{
	if (buf->failed)
		return NULL;
	if (buf->len > buf->max || len > buf->max - buf->len || len >= SIZE_MAX - buf->len) {
		buf->failed = true;
		return NULL;
	}
	if (buf->len + len + 1 > buf->capacity && !grow(buf, buf->len + len + 1)) {
		buf->failed = buf->out_of_memory = true;
		return NULL;
	}
	buf->data[buf->len] = '\0';
	return buf->data + buf->len;
}

void tl_buf_commit(struct tl_buf *buf, size_t len)
{
	assert(buf->data && len < buf->capacity - buf->len);
	buf->len += len;
	buf->data[buf->len] = '\0';
}

void tl_buf_append(struct tl_buf *buf, const void *bytes, size_t len)
{
	char *at = tl_buf_reserve(buf, len);

	if (!at)
		return;
	if (len)
		memcpy(at, bytes, len);
	tl_buf_commit(buf, len);
}

void tl_buf_puts(struct tl_buf *buf, const char *text)
{
	tl_buf_append(buf, text, strlen(text));
}

void tl_buf_putc(struct tl_buf *buf, char c)
{
	tl_buf_append(buf, &c, 1);
}

void tl_buf_printf(struct tl_buf *buf, const char *format, ...)
{
	va_list args, again;
	int len;
	char *at;

	va_start(args, format);
	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	at = len < 0 ? NULL : tl_buf_reserve(buf, (size_t)len);
	if (at) {
		vsnprintf(at, (size_t)len + 1, format, again);
		tl_buf_commit(buf, (size_t)len);
	} else {
		buf->failed = true;
	}
	va_end(again);
}

void tl_buf_consume(struct tl_buf *buf, size_t len)
{
	assert(len <= buf->len);
	if (len == 0)
		return;
	memmove(buf->data, buf->data + len, buf->len - len);
	buf->len -= len;
	if (buf->secret)
		OPENSSL_cleanse(buf->data + buf->len, len);
	buf->data[buf->len] = '\0';
}

void tl_buf_reset(struct tl_buf *buf)
{
	if (buf->data && buf->secret)
		OPENSSL_cleanse(buf->data, buf->capacity);
	if (buf->data)
		buf->data[0] = '\0';
	buf->len = 0;
	buf->failed = buf->out_of_memory = false;
}

int tl_buf_check(const struct tl_buf *buf)
{
	if (!buf->failed)
		return 0;
	return buf->out_of_memory ? TL_ENOMEM : TL_ETOOBIG;
}

const char *tl_buf_str(const struct tl_buf *buf)
{
	return buf->data ? buf->data : "";
}

char *tl_buf_take(struct tl_buf *buf)
{
	char *data = buf->data ? buf->data : calloc(1, 1);

	*buf = (struct tl_buf){.max = buf->max, .secret = buf->secret};
	return data;
}

void tl_buf_clear(struct tl_buf *buf)
{
	if (buf->data && buf->secret)
		OPENSSL_cleanse(buf->data, buf->capacity);
	free(buf->data);
	*buf = (struct tl_buf){.max = buf->max, .secret = buf->secret};
}
