import XCTest
import Xln

final class LowLevelTests: XCTestCase {
    private func delta(collateral: Amount = 100, leftLimit: Amount = 50) -> Delta {
        Delta(
            collateral: collateral, ondelta: 40, offdelta: -10, leftCreditLimit: leftLimit, rightCreditLimit: 20,
            leftAllowance: 0, rightAllowance: 5)
    }

    func testCapacitiesOfBothSides() throws {
        let left = try deriveDelta(delta: delta(), side: .left)
        XCTAssertEqual(left.delta, 30)
        XCTAssertEqual(left.outCapacity, 80)  // 30 of the collateral and the limit of 50
        XCTAssertEqual(left.inCapacity, 85)  // 70 of the collateral and 20 of credit, less 5 on hold
        let right = try deriveDelta(delta: delta(), side: .right)
        XCTAssertEqual(right.inCapacity, left.outCapacity)
        XCTAssertEqual(right.outCapacity, left.inCapacity)
    }

    func testAmountsHaveTheFullRangeAndNoMore() throws {
        let most = try Amount("115792089237316195423570985008687907853269984665640564039457584007913129639935")
        let view = try deriveDelta(
            delta: Delta(
                collateral: most, ondelta: 0, offdelta: 0, leftCreditLimit: 0, rightCreditLimit: 0, leftAllowance: 0,
                rightAllowance: 0), side: .right)
        XCTAssertEqual(view.outCapacity, most)
        let beyond = try Amount("115792089237316195423570985008687907853269984665640564039457584007913129639936")
        XCTAssertThrowsError(try deriveDelta(delta: delta(collateral: beyond), side: .left)) { error in
            guard case XlnError.InvalidArgument(what: "amount", reason: _) = error else { return XCTFail("\(error)") }
        }
        XCTAssertThrowsError(try deriveDelta(delta: delta(collateral: most), side: .left)) { error in
            guard case XlnError.InvalidArgument(what: "delta", reason: _) = error else { return XCTFail("\(error)") }
        }
    }

    func testTheAmountTypes() throws {
        XCTAssertEqual(try Amount("007"), 7)
        XCTAssertEqual(try SignedAmount("-0"), 0)
        for wrong in ["", "-1", "1_000", "1.0", "0x1", "١"] { XCTAssertThrowsError(try Amount(wrong), wrong) }
        XCTAssertLessThan(try Amount("99999999999999999999"), try Amount("100000000000000000000"))
        XCTAssertEqual([5, -10, -9, 0, 10].sorted() as [SignedAmount], [-10, -9, 0, 5, 10])
        XCTAssertNil(try Amount("18446744073709551616").uint64)
    }

    func testTheBar() throws {
        XCTAssertEqual(try deltaBar(delta: delta(), side: .left, width: 19), "[-----==========--]\n         |")
    }

    func testIdsAreChecked() throws {
        let address = try Address("0x00000000000000000000000000000000000000AA")
        XCTAssertEqual(try account(address: address).hex, "0x" + String(repeating: "0", count: 62) + "aa")
        XCTAssertEqual(try Address("00000000000000000000000000000000000000aa"), address)
        XCTAssertThrowsError(try account(address: Address(String(repeating: "0", count: 40)))) { error in
            XCTAssertEqual("\(error)", "address: the zero address is no entity")
        }
        XCTAssertThrowsError(try Address("0x12"))
    }
}
