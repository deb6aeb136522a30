// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// Length of a period: `every` seconds, or `every` calendar months (UTC, day clamped to short months).
enum Unit {
    Seconds,
    Months
}

/// Why an item was not collected. Values are part of the interface: new ones go to the end.
enum Fail {
    None, // 0: collected
    Unknown, // 1: no such mandate, or period 0, which no mandate has
    NotStarted, // 2: now < start of period 1
    NotDue, // 3: the named period has not begun
    TooLate, // 4: the named period ended more than `arrears` periods ago
    Canceled, // 5: canceled by payer or payee; for ever
    Ended, // 6: the named period lies behind the last one of the mandate
    PlanClosed, // 7: the payee does not collect on this plan at present
    AmountTooHigh, // 8: the amount is above the signed cap, or zero
    Allowance, // 9: the payer's allowance for this contract is below the amount
    Balance, // 10: the payer's balance is below the amount
    TokenRejected, // 11: the token reverted for a reason of its own (blacklist, pause …): see tokenError
    TokenFalse, // 12: the token answered something else than true
    AlreadyPaid // 13: the named period is spent: collected before, or it ended before the mandate was registered
}

/// What the payer signs (EIP-712) or submits itself. Nothing of it can change afterwards.
struct Mandate {
    address payer; // who pays; signs, or calls
    address payee; // the only address that receives; may charge, cancel and close the plan
    address token; // ERC-20 that the owner has allowed
    uint96 amount; // base units of `token`; most that one period can collect, fee included; > 0
    Unit unit; // what `every` counts
    uint32 every; // length of a period: 1 to 3,660 days in seconds, or 1 to 120 months
    uint16 feeBps; // share of each collected amount that goes to the fee recipient; 1/10,000; at most 1,000
    uint40 start; // unix seconds; first instant of period 1 (inclusive); in the future = trial
    uint16 periods; // number of the last period (inclusive), at most 4,093; 0 = until canceled (or period 4,094)
    uint8 arrears; // how many periods before the present one may still be collected; 0 to 8
    uint64 deadline; // unix seconds; the last instant (inclusive) at which a signature can register the mandate
    uint256 salt; // tells equal terms of one payer apart
}

/// The terms that subscribers share, stored once. Two words: payee | amount, token | the rest.
struct Plan {
    address payee;
    uint96 amount; // base units; most per period, fee included
    address token;
    uint32 every; // seconds or months, see `unit`; > 0 in every plan that exists
    uint16 feeBps; // 1/10,000 of the collected amount
    Unit unit;
    uint8 arrears; // periods
    bool open; // the only field that can change, by the payee
}

/// A registered mandate, unpacked (view `mandate`).
struct Registration {
    address payer;
    uint24 planId; // 0 = never registered, only revoked
    uint40 start; // unix seconds; first instant of period 1, as signed
    uint16 newestSpent; // newest spent period; 0 = none; meaningless once canceled
    uint8 spentBefore; // bit i = period newestSpent - 1 - i is spent (period 0 counts as spent)
    uint16 periods; // number of the last period; 0 = until canceled
    bool canceled;
}

/// What collecting a period at this moment would meet before the token is asked (view `quote`).
struct Quote {
    Fail reason; // None = only the token can still refuse
    uint16 periodNow; // period that now lies in; 0 = not started
    uint96 amount; // base units; most that the period can collect, fee included
    uint96 fee; // base units of it that go to the fee recipient
    uint64 startsAt; // unix seconds; first instant of the named period (inclusive)
    uint64 endsAt; // unix seconds; first instant of the period after it (exclusive end)
    uint64 collectableUntil; // unix seconds; exclusive end of the time in which it can be collected
}

/// Everything that can be called, heard and refused. What each function does stands at its code in DuesMandates and
/// Administered, and in docs/operations/. The events alone suffice to rebuild the books.
interface IDuesMandates {
    // ---------------------------------------------------------------------------------------------- events: plans
    event PlanCreated(
        uint24 indexed planId,
        address indexed payee,
        address indexed token,
        uint96 amount,
        Unit unit,
        uint32 every,
        uint16 feeBps,
        uint8 arrears
    );
    event PlanOpened(uint24 indexed planId, bool open);

    // ---------------------------------------------------------------------------------------------- events: mandates
    event Subscribed(uint96 indexed id, address indexed payer, uint24 indexed planId, uint40 start, uint16 periods);
    /// `amount` left the payer for this period, or will not: less the fee of a FeeSkipped with the same id and period.
    event Charged(uint96 indexed id, uint16 period, uint96 amount);
    /// The item changed nothing. `tokenError`: first four bytes that the token reverted with, 0 if it did not.
    event ChargeFailed(uint96 indexed id, uint16 period, Fail reason, bytes4 tokenError);
    /// The payee was paid, the fee recipient could not be: the fee stays with the payer and is never claimed again.
    event FeeSkipped(uint96 indexed id, uint16 period, uint96 fee);
    event Canceled(uint96 indexed id, address indexed by);

    // ---------------------------------------------------------------------------------------------- events: owner
    event OperatorSet(address indexed operator, bool allowed);
    event TokenSet(address indexed token, bool allowed);
    event PausedSet(bool paused);
    event FeeRecipientSet(address indexed feeRecipient);
    event OwnershipTransferStarted(address indexed owner, address indexed pendingOwner);
    event OwnershipTransferred(address indexed previousOwner, address indexed owner);

    // ---------------------------------------------------------------------------------------------- errors: who may
    error NotOwner(address caller, address owner);
    error NotPendingOwner(address caller, address pendingOwner);
    error NotOperator(address caller);
    error NotParty(address caller);
    error SimulationOnly(address caller);
    error IsPaused();
    error Locked();
    error WrongSigner(address payer);
    error SignatureExpired(uint256 deadline, uint256 nowSeconds);

    // ---------------------------------------------------------------------------------------------- errors: terms
    error ZeroAddress();
    error SelfAddress(address self);
    error TokenNotAllowed(address token);
    error TokenUnfit(address token);
    error AmountZero();
    error EveryOutOfRange(uint256 every, uint256 min, uint256 max);
    error FeeTooHigh(uint256 feeBps, uint256 max);
    error ArrearsTooHigh(uint256 arrears, uint256 max);
    error StartTooEarly(uint256 start, uint256 earliest);
    error StartTooLate(uint256 start, uint256 latest);
    error TooManyPeriods(uint256 periods, uint256 max);
    error AlreadyOver(uint256 periods, uint256 periodNow);
    error PlanNotOpen(uint24 planId);
    error TooManyPlans(uint256 max);

    // ---------------------------------------------------------------------------------------------- errors: state
    error UnknownMandate(uint96 id);
    error AlreadyRegistered(uint96 id);
    error AlreadyCanceled(uint96 id);
    error ChargeRejected(uint96 id, uint16 period, Fail reason, bytes4 tokenError);

    // ---------------------------------------------------------------------------------------------- errors: the call
    error BadLength(uint256 length, uint256 multipleOf);
    error InsufficientGas(uint256 left, uint256 needed);

    // ---------------------------------------------------------------------------------------------- registering
    function subscribe(Mandate calldata m, bytes calldata signature, bytes calldata permit, uint96 firstAmount)
        external
        returns (uint96 id);
    function setPlanOpen(uint24 planId, bool open) external;

    // ---------------------------------------------------------------------------------------------- leaving
    function cancel(uint96 id) external;
    function cancelWithSig(uint96 id, bytes calldata signature) external;
    function revokeUnregistered(Mandate calldata m) external returns (uint96 id);

    // ---------------------------------------------------------------------------------------------- collecting
    function charge(uint96 id, uint16 period, uint96 amount) external;
    function chargeBatch(bytes calldata items) external returns (uint256 charged);
    function chargeBatchAmounts(bytes calldata items) external returns (uint256 charged);
    function simulate(bytes calldata items) external returns (bytes memory outcomes);

    // ---------------------------------------------------------------------------------------------- the owner
    function setOperator(address operator, bool allowed) external;
    function setToken(address token, bool allowed) external;
    function setPaused(bool paused_) external;
    function setFeeRecipient(address feeRecipient_) external;
    function transferOwnership(address to) external;
    function acceptOwnership() external;

    // ---------------------------------------------------------------------------------------------- views
    function mandate(uint96 id) external view returns (Registration memory);
    function plan(uint24 id) external view returns (Plan memory);
    function quote(uint96 id, uint16 period) external view returns (Quote memory);
    function hashMandate(Mandate calldata m) external view returns (bytes32);
    function mandateId(Mandate calldata m) external view returns (uint96);
    function domainSeparator() external view returns (bytes32);
    function owner() external view returns (address);
    function pendingOwner() external view returns (address);
    function paused() external view returns (bool);
    function feeRecipient() external view returns (address);
    function operators(address operator) external view returns (bool);
    function tokens(address token) external view returns (bool);
    function planCount() external view returns (uint24);
}
