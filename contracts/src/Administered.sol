// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDuesMandates} from "./IDuesMandates.sol";
import {TokenCalls} from "./TokenCalls.sol";

/// What the owner may do: say who operates, which tokens new mandates may name, where fees go, and stop. It can move no
/// money, change no mandate and cancel none; leaving works while it has stopped everything else.
abstract contract Administered is IDuesMandates {
    /// May call the functions of this file.
    address public owner;
    /// While true nothing is registered and nothing collected; canceling works.
    bool public paused;
    /// Becomes owner when it accepts.
    address public pendingOwner;
    /// Receives the fee of plans that have one. Zero: no fee is taken and the payee gets the whole amount.
    address public feeRecipient;
    /// May charge any mandate within its terms.
    mapping(address operator => bool) public operators;
    /// May be named by mandates that are registered from now on.
    mapping(address token => bool) public tokens;

    constructor(address owner_, address feeRecipient_) {
        if (owner_ == address(0)) revert ZeroAddress();
        owner = owner_;
        emit OwnershipTransferred(address(0), owner_);
        _setFeeRecipient(feeRecipient_);
    }

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner(msg.sender, owner);
        _;
    }

    modifier whenRunning() {
        if (paused) revert IsPaused();
        _;
    }

    /// Allows or forbids an address to charge.
    function setOperator(address operator, bool allowed) external onlyOwner {
        operators[operator] = allowed;
        emit OperatorSet(operator, allowed);
    }

    /// Allows or forbids a token for mandates registered from now on; those registered before are not touched. Whether a
    /// token takes a fee on transfers, rebases or can be upgraded is for the owner to find out first.
    function setToken(address token, bool allowed) external onlyOwner {
        if (allowed && !TokenCalls.looksLikeToken(token)) revert TokenUnfit(token);
        tokens[token] = allowed;
        emit TokenSet(token, allowed);
    }

    function setPaused(bool paused_) external onlyOwner {
        paused = paused_;
        emit PausedSet(paused_);
    }

    /// Zero switches fees off. What was collected before is not touched.
    function setFeeRecipient(address feeRecipient_) external onlyOwner {
        _setFeeRecipient(feeRecipient_);
    }

    /// First of two steps: nothing changes until `to` accepts. Zero withdraws the offer.
    function transferOwnership(address to) external onlyOwner {
        pendingOwner = to;
        emit OwnershipTransferStarted(msg.sender, to);
    }

    function acceptOwnership() external {
        if (msg.sender != pendingOwner) revert NotPendingOwner(msg.sender, pendingOwner);
        emit OwnershipTransferred(owner, msg.sender);
        owner = msg.sender;
        pendingOwner = address(0);
    }

    function _setFeeRecipient(address feeRecipient_) private {
        if (feeRecipient_ == address(this)) revert SelfAddress(feeRecipient_); // nothing could ever leave again
        feeRecipient = feeRecipient_;
        emit FeeRecipientSet(feeRecipient_);
    }
}
