/* Session recordings: append-only, durable as they happen, hash-chained, sealed by a signature.
 *
 * A recording is a file of JSON lines. Line 1 is the header {"towline-recording":1,"session":…,…}. Each
 * further line is {"n":N,"t":seconds,"ch":channel,"k":kind,…,"h":hex}: `h` is SHA-256 over the
 * previous line's `h` and this line's bytes up to the `h` member, so that a line removed, changed or
 * inserted breaks the chain. Kinds: "open" (channel: shell | exec | subsystem | a forwarding, command, pty size),
 * "refuse" (a forwarding that was not allowed), "o" (output, asciicast v2 "o" data), "file" (what an SFTP channel did), "r" (resize), "x" (exit status or signal), "note" (refusals,
 * joins, pauses), "close", and last "seal" (a TL_JWT_RECORDING over count and last hash).
 * Terminal output exports to asciicast v2 (docs.asciinema.org/manual/asciicast/v2).
 * One thread at a time. */
#ifndef TOWLINE_RECORD_H
#define TOWLINE_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <towline/clock.h>
#include <towline/crypto.h>
#include <towline/err.h>

#define TL_RECORD_LINE_MAX (128 * 1024)
#define TL_RECORD_CHANNELS_MAX 32 /* open at the same time: what a connection may open */
#define TL_RECORD_KEEP_MAX \
	(4 * 1024 * 1024) /* output bytes kept of a channel that is no terminal */

struct tl_record; /* a recording being written */

struct tl_record_header {
	const char *session, *ticket, *host, *engineer, *lane, *recorder; /* "relay" | "endpoint" */
};

/* Called with each finished line (newline included) after it was written: the endpoint streams them
 * to the relay. Must not block. */
typedef void tl_record_tap(void *arg, const char *line, size_t len);

/* Starts a recording on `fd` (taken over, closed by free). `reserve_bytes` are allocated ahead
 * (beyond the end of file; given back by the seal), so that a full disk is found before the session begins. */
TL_MUST_CHECK int tl_record_new(int fd, const struct tl_record_header *header,
				uint64_t reserve_bytes, const struct tl_clock *clock,
				struct tl_record **ret_record, struct tl_err *err);
void tl_record_set_tap(struct tl_record *record, tl_record_tap *tap, void *arg);

/* Each returns 0 or TL_EIO / TL_ENOSPC: then the session must end. Output is split into lines below
 * TL_RECORD_LINE_MAX; bytes that are not UTF-8 are written as U+FFFD. A terminal's output (columns and
 * rows given at open) is kept whole; of other channels the first TL_RECORD_KEEP_MAX bytes are, and the
 * close line carries size and SHA-256 of all of it. Of an SFTP channel (subsystem "sftp") the changes and
 * transfers are written instead of the bytes; TL_EPROTO, and the session must end, when the bytes do not follow
 * SFTP. */
TL_MUST_CHECK int tl_record_open(struct tl_record *record, unsigned channel, const char *kind,
				 const char *command, unsigned columns, unsigned rows,
				 struct tl_err *err);
TL_MUST_CHECK int tl_record_output(struct tl_record *record, unsigned channel, const void *bytes,
				   size_t len, struct tl_err *err);
/* The same of standard error, which is text in an SFTP channel too. */
TL_MUST_CHECK int tl_record_stderr(struct tl_record *record, unsigned channel, const void *bytes,
				   size_t len, struct tl_err *err);
/* Input is counted and hashed for the channel's close line, never kept. */
TL_MUST_CHECK int tl_record_input(struct tl_record *record, unsigned channel, const void *bytes,
				  size_t len, struct tl_err *err);
TL_MUST_CHECK int tl_record_resize(struct tl_record *record, unsigned channel, unsigned columns,
				   unsigned rows, struct tl_err *err);
TL_MUST_CHECK int tl_record_exit(struct tl_record *record, unsigned channel, int exit_status,
				 const char *signal_name, struct tl_err *err);
TL_MUST_CHECK int tl_record_note(struct tl_record *record, unsigned channel, const char *text,
				 struct tl_err *err);
TL_MUST_CHECK int tl_record_close(struct tl_record *record, unsigned channel, struct tl_err *err);
/* A forwarding: "open", or with `why` a "refuse". Of its bytes, given to _output and _input, only sizes and
 * hashes are kept. `what` "listen" opens no channel. Members that are NULL are left out. */
struct tl_record_forward {
	const char *what; /* "direct-tcpip", "forwarded-tcpip", "agent", "listen" */
	const char *
		to; /* "host:port" as asked for; of "forwarded-tcpip" and "listen": where it listens */
	const char *address; /* what the host's name resolved to */
	const char *from;    /* "address:port" of who connects */
	const char *why;
};
TL_MUST_CHECK int tl_record_forward(struct tl_record *record, unsigned channel,
				    const struct tl_record_forward *forward, struct tl_err *err);

/* Writes the seal, syncs and trims the file. */
TL_MUST_CHECK int tl_record_seal(struct tl_record *record, const struct tl_key *key,
				 struct tl_err *err);
void tl_record_free(struct tl_record *record);
TL_DEFINE_AUTO_PTR(tl_record, tl_record_free);

struct tl_record_facts {
	char session[64], recorder[16]; /* as the header says */
	char head[TL_SHA256_HEX];	/* the last line's h */
	uint64_t lines, output_bytes;
	double seconds;
	bool has_seal; /* its last line is a seal, */
	bool sealed;   /* which verified under `key` */
};
/* Reads a whole recording, checks chain and seal (`key` NULL: the chain only). TL_ESIG names the first
 * line that breaks the chain. An unsealed recording is no error: see sealed. */
TL_MUST_CHECK int tl_record_verify(FILE *in, const struct tl_key *key,
				   struct tl_record_facts *ret_facts, struct tl_err *err);
/* Checks what the relay signed when it had received the recording: `facts` as tl_record_verify found
 * them, `sha256` of the whole file. TL_ESIG. */
TL_MUST_CHECK int tl_record_countersigned(const char *jws, const struct tl_key *relay_key,
					  const struct tl_record_facts *facts, const char *sha256,
					  int64_t *ret_received_s, struct tl_err *err);

/* Writes channel `channel` (the first terminal when 0) as asciicast v2. */
TL_MUST_CHECK int tl_record_export(FILE *in, unsigned channel, FILE *out, struct tl_err *err);

struct tl_record_words {
	double at; /* seconds since the start */
	unsigned channel;
	const char *kind; /* "command", "output", "file" or "note" */
	const char *text; /* one line, without control characters */
};
/* Reads the recording as text, line by line: commands, output without escape sequences, files, notes; of all
 * channels when `channel` is 0. Another result of `on_words` than 0 ends it and is returned. */
TL_MUST_CHECK int tl_record_read_text(FILE *in, unsigned channel,
				      int (*on_words)(void *arg,
						      const struct tl_record_words *words),
				      void *arg, struct tl_err *err);

#endif
