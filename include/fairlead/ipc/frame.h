/**
 * @file
 * The messages between roles: one frame or several, one behind the other, in a
 * SOCK_SEQPACKET message.
 *
 * FRAME_LAYOUT (host byte order: both ends run the same build, which the build
 * id proves): struct fl_frame_header, then text_len octets of reason text, then
 * packet_len octets. The last frame ends where its message ends. Every frame is checked as if
 * it came from the network; only what the kernel says (peer credentials, message boundaries) is
 * trusted.
 */
#ifndef FAIRLEAD_IPC_FRAME_H
#define FAIRLEAD_IPC_FRAME_H

#include "fairlead/base/err.h"
#include "fairlead/wire/verdict.h"

#include <stddef.h>
#include <stdint.h>

enum {
	FL_FRAME_MAGIC = 0x464C4652, /* "FLFR" */
	FL_FRAME_VERSION = 1,
	FL_FRAME_PACKET_MAX = 65535,
};

/*
 * HELLO     first on a connection: who I am (role, index), proven by job_id (ipc/control.h)
 * QUESTION  front -> resolver; packet: wire name, type, class
 * ANSWER    resolver -> front; packet: the response message, or nothing when it failed
 * STORE     resolver -> keeper, one way; packet: a QUESTION's octets, then ANSWER's; asked_ns
 * set REFRESH   keeper -> resolver: ask again, answered by STORE; packet as QUESTION CONTROL
 * supervisor <-> role (ipc/control.h); flags: the verb
 */
/* clang-format off */
enum fl_frame_kind {
	FL_FRAME_HELLO = 1,
	FL_FRAME_QUESTION,
	FL_FRAME_ANSWER,
	FL_FRAME_STORE,
	FL_FRAME_REFRESH,
	FL_FRAME_CONTROL,
	FL_FRAME_KIND_END
};
/* clang-format on */

enum fl_frame_flag {
	FL_FRAME_SUSPECT = 1 << 0, /* through the suspect lane: its answer is not stored */
	FL_FRAME_AGAIN = 1 << 1    /* asked once more after a resolver's death */
};

struct fl_frame_header {
	uint32_t magic;
	uint16_t version;
	uint16_t kind;        /* enum fl_frame_kind */
	uint64_t build_id;    /* of the executable; a mismatch is refused */
	uint64_t job_id;      /* chosen by who asks, echoed in the answer */
	uint64_t deadline_ns; /* boot clock: when the asker's client is gone; 0 none */
	uint64_t asked_ns;    /* boot clock: when the engine was asked (flush ordering) */
	uint32_t flags;       /* enum fl_frame_flag; enum fl_control for CONTROL */
	uint16_t ede;         /* code, or FL_EDE_NONE */
	uint8_t verdict;      /* enum fl_verdict */
	uint8_t reason;       /* enum fl_reason */
	uint32_t packet_len;
	uint8_t text_len;
	uint8_t role;        /* HELLO: enum fl_role */
	uint16_t index;      /* HELLO: which of its role */
	uint32_t generation; /* generation slot value when the question was sent */
	uint32_t pad;
};

enum {
	FL_FRAME_MAX = sizeof(struct fl_frame_header) + FL_REASON_TEXT_MAX + FL_FRAME_PACKET_MAX
};

struct fl_frame {
	struct fl_frame_header h;
	const char *text;      /* h.text_len octets, borrowed */
	const uint8_t *packet; /* h.packet_len octets, borrowed */
};

/** Hash of this executable's build; the same in all roles of one binary. */
uint64_t fl_frame_build_id(void);

/** A header of @p kind with magic, version and build id set, all else zero, ede none. */
struct fl_frame fl_frame_init(enum fl_frame_kind kind);

enum {
	FL_FRAME_TRAIN_MAX = 64
}; /* frames in one message: what a loop turn may take to heart */

/** Octets that a frame takes in its message. */
size_t fl_frame_len(const struct fl_frame *f);

/**
 * View the frame that received octets begin with; others may follow it.
 *
 * @retval FL_EVERSION    another magic, version or build
 * @retval FL_EMALFORMED  lengths, kind, verdict, reason or flags out of range
 */
enum fl_err fl_frame_first(const uint8_t *octets, size_t len, struct fl_frame *out) FL_MUST_USE;

/** The same where the frame must be the only one. */
enum fl_err fl_frame_parse(const uint8_t *octets, size_t len, struct fl_frame *out) FL_MUST_USE;

enum { FL_FRAME_QUESTION_MAX = FL_NAME_MAX + 4 };

/** Write a question's octets as QUESTION, REFRESH and STORE carry them; returns their number.
 */
size_t fl_frame_write_question(uint8_t out[static FL_FRAME_QUESTION_MAX], const uint8_t *name,
			       size_t name_len, uint16_t qtype, uint16_t qclass);

/** The question in a QUESTION or REFRESH frame: exactly a well-formed wire name, type and
 * class. */
enum fl_err fl_frame_question(const struct fl_frame *f, const uint8_t **name, size_t *name_len,
			      uint16_t *qtype, uint16_t *qclass) FL_MUST_USE;

#endif
