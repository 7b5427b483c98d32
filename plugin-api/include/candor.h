/*
 * Candor plugin interface, version 1: the twin of plugin-api/src/v1.rs, for C, C++ and Zig. C99.
 *
 * A plugin is a shared library named libcandor_<name>.so (libcandor_<name>.dylib, candor_<name>.dll) that exports
 *
 *     const CandorPlugin *candor_plugin_v1(void);
 *
 * which answers the address of one static CandorPlugin, the same each time. The fields `name` and the file's
 * <name> must match. tests/plugins/c_detector/detector.c is a whole detector.
 *
 * Rules
 * - No function of the interface may unwind: a C++ plugin catches its exceptions and answers CANDOR_PANIC.
 * - Functions marked "optional" may be NULL, all others may not.
 * - A slice's `data` may be NULL when its `len` is 0. Text is UTF-8, not terminated by 0.
 * - A config is one JSON object. Refuse keys you don't know: answer CANDOR_FATAL after `fail` with CANDOR_FAULT_CONFIG.
 * - A detector reads no clock: time comes with events and `tick`.
 *
 * Who owns what
 * +------------------------------+------------------+-------------------------------------------------------+
 * | what                         | owned by         | valid                                                 |
 * +------------------------------+------------------+-------------------------------------------------------+
 * | CandorPlugin, vtables, reads | the plugin       | for ever: static, the library is never unloaded       |
 * | CandorHost                   | the host         | from `create` until `destroy` of that instance returns|
 * | config text, events, bodies, | the host         | until the call they were passed to returns: copy what |
 * | keys, CandorObject           |                  | is needed later                                       |
 * | an instance (`this`)         | the plugin       | from `create` answering CANDOR_OK until `destroy`     |
 * | what is passed to `emit`,    | the plugin       | until that function returns: the host copies          |
 * | `emit_blob`, `log`, `fail`   |                  |                                                       |
 * | CandorReport                 | who passes it    | until the call it was passed to returns               |
 * | what `extension` answers     | who answers      | for ever (plugin); as long as the CandorHost (host)   |
 * +------------------------------+------------------+-------------------------------------------------------+
 * Whoever allocates frees. Nothing owned crosses.
 *
 * Threads
 * - Host functions: from any thread.
 * - A detector: every call comes from one thread.
 * - A source: `run` has a thread of its own; pause, resume, stop and configure come from any thread meanwhile.
 * - A sink: calls come from any thread and overlap. `read_at` may be called by several threads until `put` returns.
 */
#ifndef CANDOR_H
#define CANDOR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define CANDOR_EXPORT __declspec(dllexport)
#else
#define CANDOR_EXPORT __attribute__((visibility("default")))
#endif

/* The first field of every CandorPlugin: the bytes CANDOR\0\1, read as a big-endian number. */
#define CANDOR_MAGIC UINT64_C(0x43414e444f520001)
/* The version of this interface. */
#define CANDOR_ABI 1
/* x, y of a pointer or button event whose position the platform does not tell. */
#define CANDOR_UNKNOWN_POSITION INT32_MIN

/* What an event is: below 0x100 a signal, below 0x8000 a record of this interface, above that a vendor's record. */
typedef uint16_t CandorKind;

/* Signals live in memory only. */
#define CANDOR_POINTER 1 /* args: x, y, dx, dy in 1/256 px; no body */
#define CANDOR_BUTTON 2  /* args: button, pressed, x, y; no body */
#define CANDOR_WHEEL 3   /* args: dx, dy in 1/120 notch, x, y; no body */
#define CANDOR_KEY 4     /* args: class, pressed, repeat, 0; no body */
#define CANDOR_DEVICE 5  /* args: bus, vendor, product, present; body: its name */
#define CANDOR_FOCUS 6   /* body: a JSON object */
#define CANDOR_POWER 7   /* body: a JSON object */
#define CANDOR_SESSION 8 /* body: a JSON object */
/* Records are stored; their body is a JSON object without the host's own fields (KINDS.md). */
#define CANDOR_ACTIVITY 0x100
#define CANDOR_FINDING 0x101
#define CANDOR_SCREENSHOT 0x102
#define CANDOR_NOTICE 0x103
#define CANDOR_STATE 0x104
#define CANDOR_GAP 0x105
#define CANDOR_DEVICE_RECORD 0x106

/* Bits 0 and 1 of flags: where an input event came from. */
#define CANDOR_ORIGIN_UNKNOWN 0
#define CANDOR_ORIGIN_PHYSICAL 1
#define CANDOR_ORIGIN_VIRTUAL 2
#define CANDOR_ORIGIN_INJECTED 3

/* What a key is for; all that is ever known of it. */
#define CANDOR_KEY_LETTER 0
#define CANDOR_KEY_DIGIT 1
#define CANDOR_KEY_SPACE 2
#define CANDOR_KEY_ENTER 3
#define CANDOR_KEY_BACKSPACE 4
#define CANDOR_KEY_NAVIGATION 5
#define CANDOR_KEY_MODIFIER 6
#define CANDOR_KEY_FUNCTION 7
#define CANDOR_KEY_OTHER 8

/* The answer to a call. */
typedef int32_t CandorStatus;
#define CANDOR_OK 0       /* done */
#define CANDOR_RETRY 1    /* not done; worth another try, no sooner than `fail` said */
#define CANDOR_FATAL 2    /* not done, and another try would end the same */
#define CANDOR_PANIC 3    /* the callee came to grief; its instance is unusable */
#define CANDOR_DROPPED 4  /* a signal was dropped: a queue was full, or it breaks its kind's table */
#define CANDOR_RECREATE 5 /* `configure` only: finish this instance and create a new one with this config */

/* Classes of failure for `fail`. */
#define CANDOR_FAULT_OTHER 0
#define CANDOR_FAULT_CONFIG 1      /* a person must change the config */
#define CANDOR_FAULT_PERMISSION 2  /* the operating system denied something */
#define CANDOR_FAULT_MISSING 3     /* something needed is not there now: display, device, bus */
#define CANDOR_FAULT_CREDENTIALS 4 /* the store denied the credentials */
#define CANDOR_FAULT_NETWORK 5     /* the network did not carry the request */
#define CANDOR_FAULT_BUSY 6        /* the store asks to slow down */
#define CANDOR_FAULT_FULL 7        /* no space or quota left */
#define CANDOR_FAULT_CONFLICT 8    /* the store holds other bytes under this key */
#define CANDOR_FAULT_MALFORMED 9   /* the event or object is malformed */

/* Levels of `log`. */
#define CANDOR_LOG_ERROR 1
#define CANDOR_LOG_WARN 2
#define CANDOR_LOG_INFO 3
#define CANDOR_LOG_DEBUG 4
#define CANDOR_LOG_TRACE 5

/* UTF-8 text. */
typedef struct CandorStr {
    const char *data;
    size_t len;
} CandorStr;

/* Text from a literal, also in the initialiser of a static. */
#define CANDOR_STR(literal) {(literal), sizeof(literal) - 1}

/* Bytes. */
typedef struct CandorBytes {
    const uint8_t *data;
    size_t len;
} CandorBytes;

/* A list of texts. */
typedef struct CandorStrs {
    const CandorStr *data;
    size_t len;
} CandorStrs;

/* One signal or record. */
typedef struct CandorEvent {
    uint64_t seq;     /* given by the journal; 0 for a signal and for what a plugin emits */
    uint64_t mono_ns; /* when it happened, on the monotonic clock */
    int64_t unix_ns;  /* when it happened, since 1970 UTC; 0 when only the monotonic time is known */
    CandorKind kind;
    uint16_t flags;   /* bits 0 and 1: origin; the rest is 0 */
    uint32_t source;  /* instance << 16 | device; a source fills in the device only */
    int32_t args[4];  /* by kind */
    CandorBytes body; /* by kind; a record's fields as one JSON object */
} CandorEvent;

typedef struct CandorEvents {
    const CandorEvent *data;
    size_t len;
} CandorEvents;

/* What the host offers to one instance. Lives until that instance's `destroy` returns. Pass `ctx` first. */
typedef struct CandorHost {
    uint32_t abi;  /* CANDOR_ABI of the host */
    uint32_t size; /* sizeof(CandorHost) of the host */
    const void *ctx;
    uint32_t level; /* the most verbose level worth logging; 0 none */
    void (*log)(const void *ctx, uint32_t level, CandorStr module, CandorStr text);
    /* The number of a kind by its name; gives a vendor's (vendor.name) a number at first use. 0: not a name. */
    CandorKind (*kind)(const void *ctx, CandorStr name);
    /* Hands events over. Never blocks for signals (OK or DROPPED); may block for records. */
    CandorStatus (*emit)(const void *ctx, CandorEvents events);
    /* Hands over a record with a blob. */
    CandorStatus (*emit_blob)(const void *ctx, const CandorEvent *event, CandorStr media_type, CandorBytes bytes);
    /* The reason of the failure this thread is about to answer; milliseconds to wait, 0: the host's choice. */
    void (*fail)(const void *ctx, uint32_t fault, CandorStr text, uint64_t retry_after_ms);
    /* A further interface of the host by name, or NULL. */
    const void *(*extension)(const void *ctx, CandorStr id);
} CandorHost;

/* Where `probe`, `store/1`, `request/1` and `secret/1` write. */
typedef struct CandorReport {
    const void *ctx;
    void (*write)(const void *ctx, CandorBytes bytes);
} CandorReport;

/* What a sink stores: pulled piece by piece, so that its size costs no memory. */
typedef struct CandorObject {
    CandorStr key; /* relative, '/' between parts, no "." or ".." part */
    uint64_t len;
    uint8_t sha256[32];
    CandorStr media_type;
    CandorStr metadata; /* a JSON object of strings to keep beside the bytes where the store can */
    const void *ctx;
    /* Reads at an offset into a buffer of n bytes: bytes read, 0 at the end, negative on error. The host checks what it
     * reads: bytes that are not what was sealed are an error before the end, so a sink has no need to. */
    int64_t (*read_at)(const void *ctx, uint64_t offset, uint8_t *buffer, size_t n);
} CandorObject;

/* Observes. */
typedef struct CandorSourceVtable {
    /* Writes the instance to *out. Nothing to destroy unless OK. */
    CandorStatus (*create)(const CandorHost *host, CandorStr config, void **out);
    /* OK or RECREATE; FATAL keeps the old config. */
    CandorStatus (*configure)(void *self, CandorStr config);
    /* Blocks and emits until `stop`. OK after `stop`; RETRY to be run again later; FATAL to be left alone. */
    CandorStatus (*run)(void *self);
    CandorStatus (*pause)(void *self);  /* optional */
    CandorStatus (*resume)(void *self); /* optional */
    /* Makes `run` return soon. May be called before `run` and more than once. */
    CandorStatus (*stop)(void *self);
    /* Called once, after every other call has returned. */
    void (*destroy)(void *self);
} CandorSourceVtable;

/* Draws conclusions. */
typedef struct CandorDetectorVtable {
    CandorStrs reads; /* names of the signals it wants */
    CandorStatus (*create)(const CandorHost *host, CandorStr config, void **out);
    CandorStatus (*configure)(void *self, CandorStr config);
    CandorStatus (*on_batch)(void *self, CandorEvents batch);
    /* Optional. Write to *next_mono_ns when to be called next; 0: not until after the next batch.
       Called once after `create`, after each batch, and when the time it asked for has come. */
    CandorStatus (*tick)(void *self, uint64_t mono_ns, int64_t unix_ns, uint64_t *next_mono_ns);
    CandorStatus (*finish)(void *self); /* optional; the last chance to emit; tick has just told the time */
    void (*destroy)(void *self);
} CandorDetectorVtable;

/* Stores objects. */
typedef struct CandorSinkVtable {
    CandorStatus (*create)(const CandorHost *host, CandorStr config, void **out);
    CandorStatus (*configure)(void *self, CandorStr config);
    /* Optional. Tests the way to the store and reports each step as a JSON object. */
    CandorStatus (*probe)(void *self, const CandorReport *report);
    /* OK only once it is durable. The same object again is OK; another under the same key is FATAL with CONFLICT. */
    CandorStatus (*put)(void *self, const CandorObject *object);
    CandorStatus (*stop)(void *self); /* optional; makes running calls return soon */
    void (*destroy)(void *self);
} CandorSinkVtable;

/* The extension "store/1" of a sink: reading back what it stored. */
typedef struct CandorStoreVtable {
    CandorStrs schemes; /* the URL schemes it opens, for example "file" */
    /* Lists keys under a prefix in any order, each as {"key":...,"len":...}. */
    CandorStatus (*list)(void *self, CandorStr prefix, const CandorReport *report);
    /* Reads one object front to back in pieces. */
    CandorStatus (*get)(void *self, CandorStr key, const CandorReport *report);
    /* OK when it was not there. */
    CandorStatus (*remove)(void *self, CandorStr key);
} CandorStoreVtable;

/* The extension "request/1" of a source: asking it for something by name. Also "secret/1" of a sink, which keeps what
 * opens its store in the key store of the operating system: "asked" tells
 * {"asked":[{"text":...,"form":"shown"|"hidden"|"whole"}]}, "set" takes {"answers":[...]} in that order and tells
 * {"said":...}, "delete" forgets them, "is_set" tells {"is_set":...}. */
typedef struct CandorRequestVtable {
    /* OK if it knows a request of this name, for example "shot". */
    CandorStatus (*knows)(CandorStr name);
    /* Does what is asked for and then reports one JSON object. Options are a JSON object. From any thread while `run` runs. */
    CandorStatus (*ask)(void *self, CandorStr name, CandorStr options, const CandorReport *report);
} CandorRequestVtable;

/* The extension "folder/1" of the host: where this agent keeps its state. */
typedef struct CandorFolderVtable {
    /* The absolute path of the state folder: context of the CandorHost. Valid as long as the CandorHost. */
    CandorStr (*state)(const void *ctx);
} CandorFolderVtable;

/* The extension "clock/1" of the host: the monotonic clock that events are stamped by, for a source whose platform
 * stamps by another one. On Linux and macOS it is CLOCK_MONOTONIC. */
typedef struct CandorClockVtable {
    /* The monotonic clock now, in nanoseconds: context of the CandorHost. */
    uint64_t (*mono_ns)(const void *ctx);
} CandorClockVtable;

/* The extension "metrics/1" of the host: numbers that matter to whoever looks on now, and that are not stored. */
typedef struct CandorMetricsVtable {
    /* Tells a number by name: context of the CandorHost. A detector's "score", 0 to 1, is how sure it is by now,
     * whether or not it finds that worth a record. */
    void (*gauge)(const void *ctx, CandorStr name, double value);
} CandorMetricsVtable;

/* The extension "cause/1" of the host: why a call fails, as a word for programs beside the text of `fail`. */
typedef struct CandorCauseVtable {
    /* Names the cause of the failure this thread is about to answer, such as "dns": context of the CandorHost. Comes
     * before `fail`. */
    void (*name)(const void *ctx, CandorStr name);
} CandorCauseVtable;

/* The extension "retry/1" of the host, for a sink that learns that what was in its way may be gone. */
typedef struct CandorRetryVtable {
    /* Has what failed tried again now, not at its time: context of the CandorHost. Any thread may call it, as long as
     * the instance lives. */
    void (*now)(const void *ctx);
} CandorRetryVtable;

/* What a library is: one per library, never freed. */
typedef struct CandorPlugin {
    uint64_t magic; /* CANDOR_MAGIC */
    uint32_t abi;   /* CANDOR_ABI */
    uint32_t size;  /* sizeof(CandorPlugin) */
    CandorStr name; /* the library's file is candor_<name>; lower-case letters, digits, _ and - */
    CandorStr version;
    CandorStr schema; /* a JSON object: for each role the JSON Schema of its config */
    const CandorSourceVtable *source;     /* NULL if it is no source */
    const CandorDetectorVtable *detector; /* NULL if it is no detector */
    const CandorSinkVtable *sink;         /* NULL if it is no sink */
    const void *(*extension)(CandorStr id); /* optional; a further interface of the plugin by name, or NULL */
} CandorPlugin;

/* What a plugin exports. */
CANDOR_EXPORT const CandorPlugin *candor_plugin_v1(void);

/* Offsets and sizes, where a pointer has 8 bytes and where it has 4. A line that doesn't compile has an array of
   negative size: the compiler lays these structs out differently, and a library built by it would not work. */
#define CANDOR_JOIN_(a, b) a##b
#define CANDOR_JOIN(a, b) CANDOR_JOIN_(a, b)
#define CANDOR_HOLDS(condition) typedef char CANDOR_JOIN(candor_holds_, __LINE__)[(condition) ? 1 : -1]
#define CANDOR_WIDE (sizeof(void *) == 8)
#define CANDOR_SIZE(type, wide, narrow) CANDOR_HOLDS(sizeof(type) == (CANDOR_WIDE ? (wide) : (narrow)))
#define CANDOR_AT(type, field, wide, narrow) \
    CANDOR_HOLDS(offsetof(type, field) == (CANDOR_WIDE ? (wide) : (narrow)))

CANDOR_HOLDS(sizeof(void *) == 8 || sizeof(void *) == 4);
CANDOR_HOLDS(sizeof(size_t) == sizeof(void *) && sizeof(void (*)(void)) == sizeof(void *));
CANDOR_SIZE(CandorStr, 16, 8);
CANDOR_SIZE(CandorBytes, 16, 8);
CANDOR_SIZE(CandorStrs, 16, 8);
CANDOR_SIZE(CandorEvents, 16, 8);
CANDOR_SIZE(CandorEvent, 64, 56);
CANDOR_AT(CandorEvent, mono_ns, 8, 8);
CANDOR_AT(CandorEvent, unix_ns, 16, 16);
CANDOR_AT(CandorEvent, kind, 24, 24);
CANDOR_AT(CandorEvent, flags, 26, 26);
CANDOR_AT(CandorEvent, source, 28, 28);
CANDOR_AT(CandorEvent, args, 32, 32);
CANDOR_AT(CandorEvent, body, 48, 48);
CANDOR_SIZE(CandorHost, 72, 40);
CANDOR_AT(CandorHost, size, 4, 4);
CANDOR_AT(CandorHost, ctx, 8, 8);
CANDOR_AT(CandorHost, level, 16, 12);
CANDOR_AT(CandorHost, log, 24, 16);
CANDOR_AT(CandorHost, kind, 32, 20);
CANDOR_AT(CandorHost, emit, 40, 24);
CANDOR_AT(CandorHost, emit_blob, 48, 28);
CANDOR_AT(CandorHost, fail, 56, 32);
CANDOR_AT(CandorHost, extension, 64, 36);
CANDOR_SIZE(CandorReport, 16, 8);
CANDOR_AT(CandorReport, write, 8, 4);
CANDOR_SIZE(CandorObject, 104, 72);
CANDOR_AT(CandorObject, len, 16, 8);
CANDOR_AT(CandorObject, sha256, 24, 16);
CANDOR_AT(CandorObject, media_type, 56, 48);
CANDOR_AT(CandorObject, metadata, 72, 56);
CANDOR_AT(CandorObject, ctx, 88, 64);
CANDOR_AT(CandorObject, read_at, 96, 68);
CANDOR_SIZE(CandorSourceVtable, 56, 28);
CANDOR_AT(CandorSourceVtable, configure, 8, 4);
CANDOR_AT(CandorSourceVtable, run, 16, 8);
CANDOR_AT(CandorSourceVtable, pause, 24, 12);
CANDOR_AT(CandorSourceVtable, resume, 32, 16);
CANDOR_AT(CandorSourceVtable, stop, 40, 20);
CANDOR_AT(CandorSourceVtable, destroy, 48, 24);
CANDOR_SIZE(CandorDetectorVtable, 64, 32);
CANDOR_AT(CandorDetectorVtable, create, 16, 8);
CANDOR_AT(CandorDetectorVtable, configure, 24, 12);
CANDOR_AT(CandorDetectorVtable, on_batch, 32, 16);
CANDOR_AT(CandorDetectorVtable, tick, 40, 20);
CANDOR_AT(CandorDetectorVtable, finish, 48, 24);
CANDOR_AT(CandorDetectorVtable, destroy, 56, 28);
CANDOR_SIZE(CandorSinkVtable, 48, 24);
CANDOR_AT(CandorSinkVtable, configure, 8, 4);
CANDOR_AT(CandorSinkVtable, probe, 16, 8);
CANDOR_AT(CandorSinkVtable, put, 24, 12);
CANDOR_AT(CandorSinkVtable, stop, 32, 16);
CANDOR_AT(CandorSinkVtable, destroy, 40, 20);
CANDOR_SIZE(CandorStoreVtable, 40, 20);
CANDOR_AT(CandorStoreVtable, list, 16, 8);
CANDOR_AT(CandorStoreVtable, get, 24, 12);
CANDOR_AT(CandorStoreVtable, remove, 32, 16);
CANDOR_SIZE(CandorRequestVtable, 16, 8);
CANDOR_AT(CandorRequestVtable, ask, 8, 4);
CANDOR_SIZE(CandorFolderVtable, 8, 4);
CANDOR_SIZE(CandorClockVtable, 8, 4);
CANDOR_SIZE(CandorMetricsVtable, 8, 4);
CANDOR_SIZE(CandorCauseVtable, 8, 4);
CANDOR_SIZE(CandorRetryVtable, 8, 4);
CANDOR_SIZE(CandorPlugin, 96, 56);
CANDOR_AT(CandorPlugin, abi, 8, 8);
CANDOR_AT(CandorPlugin, size, 12, 12);
CANDOR_AT(CandorPlugin, name, 16, 16);
CANDOR_AT(CandorPlugin, version, 32, 24);
CANDOR_AT(CandorPlugin, schema, 48, 32);
CANDOR_AT(CandorPlugin, source, 64, 40);
CANDOR_AT(CandorPlugin, detector, 72, 44);
CANDOR_AT(CandorPlugin, sink, 80, 48);
CANDOR_AT(CandorPlugin, extension, 88, 52);

#ifdef __cplusplus
}
#endif

#endif
